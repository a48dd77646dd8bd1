import Foundation
import GRDB
import JSON

/// The rows of one run, derived from its folder and from nothing else.
struct IndexedRun {
  var source: String
  var point: RunPoint
  /// Of a done run.
  var result: RunResult?
  /// Of a failed run.
  var error: String?

  /// nil for a run that is neither done nor failed, or whose point cannot be read.
  init?(_ folder: RunFolder) throws {
    guard let point = try? folder.point() else { return nil }
    self.point = point
    let last = folder.journal.lastOutcome
    if last?.kind == .failed {
      error = last?.error ?? "no message"
    } else {
      result = folder.result()
      if result == nil { return nil }
    }
    source = Digest.of(
      CanonicalJSON.data(
        [
          try JSONValue(encoding: point), try JSONValue(encoding: result),
          JSONValue(error ?? ""),
        ]))
  }

  func save(in database: Database) throws {
    let known = try String.fetchOne(
      database, sql: "SELECT source FROM run WHERE id = ?", arguments: [point.run])
    guard known != source else { return }
    try database.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [point.run])
    try database.execute(
      sql: "INSERT INTO experiment VALUES (?) ON CONFLICT DO NOTHING",
      arguments: [point.experiment])
    try insertRun(in: database)
    try insertAxes(in: database)
    if let result { try insert(result, in: database) }
  }

  private func insertRun(in database: Database) throws {
    let (outcome, provenance) = (result?.outcome, result?.provenance)
    try database.execute(
      sql: """
        INSERT INTO run VALUES (:id, :experiment, :source, :state, :error, :spec, :parameters,
          :forced, :remarks, :facts, :commit, :host, :cpu, :threads, :libraries, :started,
          :finished, :program)
        """,
      arguments: [
        "id": point.run, "experiment": point.experiment, "source": source,
        "state": result == nil ? "failed" : "done", "error": error, "spec": point.spec,
        "parameters": CanonicalJSON.text(point.parameters), "forced": outcome?.forced,
        "remarks": try text(outcome?.remarks), "facts": try text(outcome?.facts),
        "commit": provenance?.commit, "program": provenance?.program, "host": provenance?.host,
        "cpu": provenance?.cpu,
        "threads": provenance?.threads, "libraries": try text(provenance?.libraries),
        "started": provenance?.started, "finished": provenance?.finished,
      ])
  }

  private func text(_ value: (some Encodable)?) throws -> String? {
    try value.map { CanonicalJSON.text(try JSONValue(encoding: $0)) }
  }

  private func insertAxes(in database: Database) throws {
    for (combination, labels) in ([point.axes] + point.aliases).enumerated() {
      for (position, label) in labels.enumerated() {
        try database.execute(
          sql: "INSERT INTO axis_label VALUES (?, ?, ?, ?, ?)",
          arguments: [point.run, combination, position, label.axis, label.label])
      }
    }
    for (stream, seed) in point.seeds.sorted(by: { $0.key < $1.key }) {
      try database.execute(
        sql: "INSERT INTO seed VALUES (?, ?, ?)", arguments: [point.run, stream, seed])
    }
  }

  private func insert(_ result: RunResult, in database: Database) throws {
    for (position, stage) in result.stages.enumerated() {
      try database.execute(
        sql: "INSERT INTO stage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          result.run, position, stage.name, stage.key, stage.digest, stage.cached, stage.seconds,
          stage.peakMemoryBytes, stage.forwardTokens,
        ])
    }
    for metric in result.outcome.metrics { try insert(metric, in: database) }
    for (name, value) in result.outcome.ledgers.sorted(by: { $0.key < $1.key }) {
      try database.execute(
        sql: "INSERT INTO ledger VALUES (?, ?, ?)", arguments: [result.run, name, value])
    }
    for (name, value) in result.outcome.counts.sorted(by: { $0.key < $1.key }) {
      try database.execute(
        sql: "INSERT INTO count VALUES (?, ?, ?)", arguments: [result.run, name, value])
    }
  }

  private func insert(_ metric: Metric, in database: Database) throws {
    let definition = metric.definition
    try database.execute(
      sql: "INSERT INTO metric_definition VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      arguments: [
        definition.id, definition.name, definition.scope, definition.unit,
        definition.higherIsBetter, CanonicalJSON.text(definition.protocolParameters),
      ])
    try database.execute(
      sql: "INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        point.run, definition.id, metric.value, metric.special, metric.items,
        metric.interval?.lower, metric.interval?.upper,
      ])
  }
}
