import ArgumentParser
import Experiments
import Foundation
import JSON

struct ShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Print everything about one run.",
    discussion: """
      Reads the run's folder. The beginning of a run's name is enough if it fits one run only.

      Examples:
        assay show main-table-4f0c2m
        assay show main-table-4f0c2mxa7k --format json
      """)

  @Argument(help: "The run's name, or its beginning.")
  var name: String

  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func run() throws {
    let folder = try find()
    let point = try folder.point()
    let (result, last) = (folder.result(), folder.journal.lastOutcome)
    if let damage = folder.damage() { throw damage }
    if format.format == .json {
      let whole: JSONValue = [
        "point": try JSONValue(encoding: point), "result": try JSONValue(encoding: result),
        "events": try JSONValue(encoding: folder.journal.events()),
      ]
      try StandardOutput.write(PrettyJSON.text(whole))
      return
    }
    var table = DataTable(["what", "value"])
    Self.describe(point, last, to: &table)
    if let result { Self.describe(result, to: &table) }
    try StandardOutput.write(table.text(format.format))
  }

  private func find() throws -> RunFolder {
    let matches = try workspace.value.runs(beginning: name)
    guard let match = matches.first else { throw StoreError.noSuchRun(name) }
    guard matches.count == 1 else {
      throw UnusableArgument(
        "\"\(name)\" begins \(matches.count) names: "
          + matches.prefix(5).map(\.id).joined(separator: ", "))
    }
    return match
  }

  private static func describe(
    _ point: RunPoint, _ last: RunJournal.Event?, to table: inout DataTable
  ) {
    table.append(["run", JSONValue(point.run)])
    table.append(["experiment", JSONValue(point.experiment)])
    table.append(["state", JSONValue(last?.kind.rawValue ?? "unknown")])
    if let error = last?.error { table.append(["error", JSONValue(error)]) }
    table.append([
      "point", JSONValue(PointTitle.of(point.axes, besides: point.aliases, point.seeds)),
    ])
    for alias in point.aliases {
      table.append(["also", JSONValue(PointTitle.of(alias, [:]))])
    }
    table.append(["parameters", JSONValue(CanonicalJSON.text(point.parameters))])
  }

  private static func describe(_ result: RunResult, to table: inout DataTable) {
    for metric in result.outcome.metrics {
      let value = metric.value.map { JSONValue($0) } ?? JSONValue(metric.special ?? "")
      let definition = metric.definition
      table.append([
        JSONValue("\(definition.name) \(definition.scope)"),
        JSONValue("\(DataTable.cell(value)) \(definition.unit), \(metric.items) items"),
      ])
    }
    for (name, value) in result.outcome.ledgers.sorted(by: { $0.key < $1.key }) {
      table.append([JSONValue(name), JSONValue(value)])
    }
    for (name, value) in result.outcome.counts.sorted(by: { $0.key < $1.key }) {
      table.append([JSONValue(name), JSONValue(value)])
    }
    for remark in result.outcome.remarks { table.append(["remark", JSONValue(remark)]) }
    for stage in result.stages {
      let tokens = stage.forwardTokens.map { ", \($0) forward tokens" } ?? ""
      table.append([
        JSONValue("stage \(stage.name)"),
        JSONValue(
          "\(ProgressDisplay.duration(stage.seconds)), \(stage.peakMemoryBytes >> 20) MiB"
            + "\(tokens), key \(stage.key.prefix(12))"),
      ])
    }
    let provenance = result.provenance
    if let program = provenance.program { table.append(["program", JSONValue(program)]) }
    table.append(["commit of the spec's folder", JSONValue(provenance.commit)])
    table.append([
      "machine",
      JSONValue("\(provenance.host), \(provenance.cpu), \(provenance.threads) threads"),
    ])
    for (name, version) in provenance.libraries.sorted(by: { $0.key < $1.key }) {
      table.append([JSONValue(name), JSONValue(version)])
    }
    table.append(["started", JSONValue(provenance.started)])
    table.append(["finished", JSONValue(provenance.finished)])
  }
}
