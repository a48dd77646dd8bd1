import Experiments
import Foundation
import JSON

extension ReportData {
  /// Collects the results of an experiment.
  ///
  /// - Parameters:
  ///   - experiment: Name of the experiment, which names the report's files.
  ///   - spec: Digest of the canonical spec.
  ///   - results: Complete results; a run given twice is taken once.
  ///   - missing: Points of the grid without a result.
  ///   - axes: Every axis of the grid with its labels in the order of the spec.
  ///   - tables: The spec's `tables`.
  ///   - figures: The spec's `figures`.
  /// - Returns: The runs in the order of the grid.
  /// - Throws: Errors of encoding a metric definition.
  public static func collect(
    experiment: String, spec: String, results: [RunResult], missing: [MissingPoint] = [],
    axes: [ReportAxis], tables: JSONValue, figures: JSONValue
  ) throws -> ReportData {
    var definitions: [String: MetricDefinition] = [:]
    var rows: [String: ReportRow] = [:]
    for result in results where rows[result.run] == nil {
      rows[result.run] = try ReportRow(result) { definition in
        let id = try definition.id
        definitions[id] = definition
        return id
      }
    }
    let order = GridOrder(axes: axes)
    return ReportData(
      experiment: experiment, spec: spec, tables: tables, figures: figures, axes: axes,
      definitions: sorted(definitions), inputs: ExternalInput.collect(from: results),
      machines: Machine.collect(from: results),
      rows: rows.values.sorted {
        order.precedes(($0.axes, $0.seeds, $0.run), ($1.axes, $1.seeds, $1.run))
      },
      missing: missing.sorted {
        order.precedes(($0.axes, $0.seeds, $0.reason), ($1.axes, $1.seeds, $1.reason))
      })
  }

  private static func sorted(_ definitions: [String: MetricDefinition]) -> [IdentifiedDefinition] {
    definitions.map { IdentifiedDefinition(id: $0.key, definition: $0.value) }.sorted {
      ($0.definition.name, $0.definition.scope, $0.id)
        < ($1.definition.name, $1.definition.scope, $1.id)
    }
  }
}

extension MetricDefinition {
  /// The first ten hexadecimal digits of SHA-256 over the canonical JSON.
  var id: String {
    get throws {
      String(Digest.of(CanonicalJSON.data(try JSONValue(encoding: self))).prefix(10))
    }
  }
}

extension ReportRow {
  /// Keeps of a result what reports show; `identify` registers a definition and gives its id.
  init(_ result: RunResult, identify: (MetricDefinition) throws -> String) rethrows {
    let outcome = result.outcome
    self.init(
      run: result.run, axes: result.axes, seeds: result.seeds,
      metrics: try outcome.metrics.map {
        ReportMetric(
          definition: try identify($0.definition), value: $0.value, special: $0.special,
          items: $0.items, interval: $0.interval)
      },
      ledgers: outcome.ledgers, counts: outcome.counts, remarks: outcome.remarks,
      facts: outcome.facts,
      stages: result.stages.map {
        StageCost(
          name: $0.name, seconds: $0.seconds, peakMemoryBytes: $0.peakMemoryBytes,
          forwardTokens: $0.forwardTokens)
      },
      forced: outcome.forced, program: result.provenance.program, commit: result.provenance.commit)
  }
}

extension ExternalInput {
  /// The inputs of all stages that are not the artifact of another stage of the same run.
  static func collect(from results: [RunResult]) -> [ExternalInput] {
    var readers: [String: [String: Set<String>]] = [:]
    for result in results {
      let artifacts = Set(result.stages.map(\.digest))
      for stage in result.stages {
        for (role, digest) in stage.inputs where !artifacts.contains(digest) {
          readers[role, default: [:]][digest, default: []].insert(stage.name)
        }
      }
    }
    return readers.flatMap { role, digests in
      digests.map { ExternalInput(role: role, digest: $0.key, stages: $0.value.sorted()) }
    }.sorted { ($0.role, $0.digest) < ($1.role, $1.digest) }
  }
}

extension Machine {
  /// The distinct machines in a stable order.
  static func collect(from results: [RunResult]) -> [Machine] {
    var machines: [Machine] = []
    for provenance in results.map(\.provenance) {
      let machine = Machine(
        cpu: provenance.cpu, threads: provenance.threads, libraries: provenance.libraries)
      if !machines.contains(machine) { machines.append(machine) }
    }
    return machines.sorted { $0.sortKey < $1.sortKey }
  }

  private var sortKey: String {
    let libraries = libraries.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return ([cpu, "\(threads)"] + libraries).joined(separator: "\u{0}")
  }
}
