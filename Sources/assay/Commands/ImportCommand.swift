import ArgumentParser
import Experiments
import Foundation
import JSON

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Bring in results of other programs.",
    subcommands: [LmEvalImportCommand.self])
}

struct LmEvalImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lm-eval", abstract: "Bring in results, and samples, that lm-eval wrote.",
    discussion: """
      Every results_*.json becomes a run, with the samples beside it as its items. The run is marked
      external wherever it is shown. With the name of an experiment and labels of its axes it stands
      in that experiment's tables. Two runs are compared item by item only if lm-eval's task hash,
      over all documents, prompts and targets, is the same.

      Examples:
        assay import lm-eval lm-eval-output
        assay import lm-eval results_2026-06-01.json --experiment main-table \\
          --axis method=GEMQ --axis bits=3
      """)

  @Argument(help: "lm-eval's output folder, or a file of results.", completion: .directory)
  var folder: String

  @Option(help: "The experiment that the runs are added to.")
  var experiment = "lm-eval"

  @Option(help: "AXIS=LABEL of the runs; method=MODEL if left out. May be given several times.")
  var axis: [String] = []

  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    for text in axis where text.split(separator: "=", maxSplits: 1).count != 2 {
      throw ValidationError("--axis \(text): give AXIS=LABEL.")
    }
    guard !experiment.isEmpty, !experiment.contains("/") else {
      throw ValidationError("--experiment \(experiment): give a name without \"/\".")
    }
  }

  func run() throws {
    let labels = axis.map { text in
      let parts = text.split(separator: "=", maxSplits: 1)
      return AxisLabel(axis: String(parts[0]), label: String(parts[1]))
    }
    var table = DataTable(["run", "model", "task", "metric", "value", "items"])
    for results in try LmEvalResults.all(in: URL(filePath: folder)) {
      let run = try LmEvalImport(results, experiment: experiment, axes: labels)
        .write(to: workspace.value)
      for metric in results.metrics() {
        table.append([
          JSONValue(run), JSONValue(results.model), JSONValue(metric.definition.scope),
          JSONValue(metric.definition.name), metric.value.map { JSONValue($0) } ?? .null,
          JSONValue(metric.items),
        ])
      }
    }
    try StandardOutput.write(table.text(format.format))
  }
}
