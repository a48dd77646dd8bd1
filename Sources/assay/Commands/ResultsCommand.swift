import ArgumentParser
import Experiments
import Foundation
import JSON

struct ResultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "results", abstract: "Print the results of an experiment, a run a line.",
    discussion: """
      Reads the index. Columns are axes, seeds, metrics (name on scope) and ledgers. Metrics of \
      one name but different definitions stand in different columns. Text and md round numbers to \
      six digits; json and csv keep all.

      A name means the spec as it was run last, a file the spec as it stands; runs of other \
      versions of the spec are shown with --all.

      Examples:
        assay results main-table
        assay results experiments/main-table.json --format csv > main-table.csv
      """)

  @Argument(help: "The experiment's name, or its JSON file.")
  var experiment: String

  @Flag(help: "Also runs that the spec no longer has.")
  var all = false

  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func run() throws {
    let index = Index(workspace.value)
    let spec = try spec()
    let name = spec?.name ?? experiment
    let rows = try index.results(of: name)
    guard !rows.isEmpty else {
      let known = try index.experiments().joined(separator: ", ")
      throw UnusableArgument(
        "No runs of \"\(name)\" in the index; it has \(known.isEmpty ? "none" : known).")
    }
    let imported = Set(try workspace.value.externalResults(of: name).map(\.run))
    let shown =
      all
      ? rows
      : try Self.rows(rows, of: spec ?? workspace.value.lastSpec(of: name), and: imported)
    if shown.count < rows.count {
      let sentence =
        "\(rows.count - shown.count) of \(rows.count) runs belong to other versions of the spec; "
        + "--all shows them.\n"
      FileHandle.standardError.write(Data(sentence.utf8))
    }
    try StandardOutput.write(Self.table(shown).text(format.format))
  }

  /// nil if an experiment is named rather than a file.
  private func spec() throws -> ExperimentSpec? {
    guard experiment.hasSuffix(".json") || experiment.contains("/") else { return nil }
    return try ExperimentSpec(contentsOf: URL(filePath: experiment))
  }

  /// The rows that a spec has, and imported ones; all of them if no spec is known.
  private static func rows(
    _ rows: [ResultRow], of spec: ExperimentSpec?, and imported: Set<String>
  ) throws -> [ResultRow] {
    guard let spec else { return rows }
    let runs = Set(try spec.runs(with: ModelPipeline()).map(\.id))
    return rows.filter { runs.contains($0.run) || imported.contains($0.run) }
  }

  static func table(_ rows: [ResultRow]) -> DataTable {
    let axes = unique(rows.flatMap { $0.axes.map(\.axis) })
    let seeds = Set(rows.flatMap(\.seeds.keys)).sorted()
    let metrics = columns(of: rows.flatMap(\.metrics))
    let ledgers = Set(rows.flatMap(\.ledgers.keys)).sorted()
    var table = DataTable(
      ["run", "state"] + axes + seeds.map { "seed \($0)" } + metrics.map(\.title) + ledgers
        + ["error"])
    for row in rows {
      var cells: [JSONValue] = [JSONValue(row.run), JSONValue(row.state)]
      cells += axes.map { axis in
        row.axes.read(besides: row.aliases).first { $0.axis == axis }.map { JSONValue($0.label) }
          ?? nil
      }
      cells += seeds.map { row.seeds[$0].map { JSONValue($0) } ?? nil }
      cells += metrics.map { column in
        value(row.metrics.first { $0.definition == column.definition })
      }
      cells += ledgers.map { row.ledgers[$0].map { JSONValue($0) } ?? nil }
      table.append(cells + [row.error.map { JSONValue($0) } ?? nil])
    }
    return table
  }

  /// One column for each definition, told apart by its digest where name and scope do not.
  private static func columns(
    of metrics: [ResultRow.MetricValue]
  ) -> [(definition: String, title: String)] {
    let definitions = unique(metrics.map(\.definition))
    let titles = definitions.map { definition in
      metrics.first { $0.definition == definition }.map { "\($0.name) \($0.scope)" } ?? ""
    }
    return zip(definitions, titles).map { definition, title in
      let isAlone = titles.count { $0 == title } == 1
      return (definition, isAlone ? title : "\(title) (\(definition.prefix(6)))")
    }
  }

  private static func value(_ metric: ResultRow.MetricValue?) -> JSONValue {
    if let special = metric?.special { return JSONValue(special) }
    return metric?.value.map { JSONValue($0) } ?? nil
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }
}
