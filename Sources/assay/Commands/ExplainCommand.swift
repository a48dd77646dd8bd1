import ArgumentParser
import Experiments
import Foundation
import JSON
import Reports

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say what stands behind one number of a table.",
    discussion: """
      Prints the runs of a cell with their values, the metric's definition, the test against the
      table's baseline, and the stages of every run that the workspace holds, with the keys of their
      artifacts. A cell is the labels of its row and the name of its column.

      Examples:
        assay explain quickstart/main random/3/perplexity
        assay explain quickstart/main "full precision/accuracy, stories" --format json
      """)

  @Argument(help: ArgumentHelp("Experiment and table.", valueName: "experiment/table"))
  var table: String

  @Argument(help: ArgumentHelp("Row and column.", valueName: "label/label/column"))
  var cell: String

  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  @Option(help: "The folder of reports.", completion: .directory)
  var reports = "reports"

  func validate() throws {
    guard table.split(separator: "/").count == 2 else {
      throw ValidationError("\(table): write experiment/table, such as quickstart/main.")
    }
  }

  func run() throws {
    let names = table.split(separator: "/").map(String.init)
    let folder = ReportFolder(URL(filePath: reports, directoryHint: .isDirectory))
    let data = try ReportData.read(from: folder.data(of: names[0]))
    let found = try CellExplanation(of: cell, table: names[1], in: data)
    switch format.format {
    case .json: try StandardOutput.write(PrettyJSON.text(try json(found), sortingKeys: false))
    case .csv, .md: try StandardOutput.write(runs(found).text(format.format))
    case .text: try StandardOutput.write(try text(found))
    }
  }

  private func text(_ found: CellExplanation) throws -> String {
    var parts = ["\(found.row): \(found.column) = \(found.text)\n"]
    if let (id, definition) = found.definition {
      parts.append(
        "definition \(id): \(definition.name), \(definition.scope), \(definition.unit): "
          + "\(CanonicalJSON.text(definition.protocolParameters))\n")
    }
    parts.append(runs(found).text(.text))
    if let comparison = found.comparison {
      let words = ComparisonText(comparison)
      parts.append(
        "against \(found.baselineRuns.joined(separator: ", ")): \(words.difference) "
          + "\(words.interval), p \(words.pValue), adjusted \(ComparisonText.p(found.adjustedP)), "
          + "\(comparison.test.rawValue), n \(words.count) \(comparison.noun)\n")
    }
    let stages = self.stages(found)
    parts.append(
      stages.rows.isEmpty
        ? "None of these runs is in the workspace \(workspace.workspace).\n" : stages.text(.text))
    return parts.joined(separator: "\n")
  }

  private func runs(_ found: CellExplanation) -> DataTable {
    var table = DataTable(["run", "seeds", "value", "commit"])
    for run in found.runs {
      table.append([
        JSONValue(run.run), JSONValue(PointTitle.of([], run.seeds)),
        run.value.map { $0.isFinite ? JSONValue($0) : JSONValue("\($0)") } ?? nil,
        JSONValue(String(run.commit.prefix(12))),
      ])
    }
    return table
  }

  /// The stages of the runs that are here, a shared one once.
  private func stages(_ found: CellExplanation) -> DataTable {
    var table = DataTable(["stage", "key", "digest", "runs"])
    var readers: [[String]: [String]] = [:]
    var order: [[String]] = []
    for run in found.runs {
      for stage in workspace.value.run(run.run).result()?.stages ?? [] {
        let key = [stage.name, stage.key, stage.digest]
        if readers[key] == nil { order.append(key) }
        readers[key, default: []].append(run.run)
      }
    }
    for key in order {
      table.append([
        JSONValue(key[0]), JSONValue(String(key[1].prefix(16))),
        JSONValue(String(key[2].prefix(16))),
        JSONValue(
          readers[key]?.count == found.runs.count
            ? "all" : (readers[key] ?? []).joined(separator: " ")),
      ])
    }
    return table
  }

  private func json(_ found: CellExplanation) throws -> JSONValue {
    [
      "row": JSONValue(found.row), "column": JSONValue(found.column),
      "text": JSONValue(found.text), "runs": runs(found).json,
      "definition": try found.definition.map {
        ["id": JSONValue($0.id), "definition": try JSONValue(encoding: $0.definition)]
      } ?? nil,
      "comparison": try found.comparison.map { try JSONValue(encoding: $0) } ?? nil,
      "baselineRuns": .array(found.baselineRuns.map { JSONValue($0) }),
      "stages": stages(found).json,
    ]
  }
}
