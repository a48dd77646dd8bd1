import ArgumentParser
import Experiments
import JSON

struct ResultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "results", abstract: "Print the results of an experiment, a run a line.",
    discussion: """
      Reads the index. Columns are axes, seeds, metrics (name on scope) and ledgers. Metrics of \
      one name but different definitions stand in different columns.

      Examples:
        assay results main-table
        assay results main-table --format csv > main-table.csv
      """)

  @Argument(help: "The experiment's name.")
  var name: String

  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func run() throws {
    let index = Index(workspace.value)
    let rows = try index.results(of: name)
    guard !rows.isEmpty else {
      let known = try index.experiments().joined(separator: ", ")
      throw ValidationError(
        "No runs of \"\(name)\" in the index; it has \(known.isEmpty ? "none" : known).")
    }
    print(Self.table(rows).text(format.format), terminator: "")
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
        row.axes.first { $0.axis == axis }.map { JSONValue($0.label) } ?? nil
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
