import ArgumentParser
import Experiments
import Foundation

/// Where results live.
struct WorkspaceOption: ParsableArguments {
  @Option(help: "The workspace folder.", completion: .directory)
  var workspace = ".assay"

  var value: Workspace { Workspace(root: URL(filePath: workspace)) }
}

/// How data is printed.
struct FormatOption: ParsableArguments {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json, csv, md
  }

  @Option(help: "How to print: text, json, csv or md.")
  var format = Format.text
}

/// The spec and which of its points are meant.
struct SpecArguments: ParsableArguments {
  @Argument(help: "The experiment's JSON file.", completion: .file(extensions: ["json"]))
  var spec: String

  @Option(
    help: ArgumentHelp(
      "Only points with this label; repeat for more.", valueName: "axis=label"))
  var only: [String] = []

  func read() throws -> (spec: ExperimentSpec, filter: RunFilter) {
    let spec = try ExperimentSpec(contentsOf: URL(filePath: self.spec))
    return (spec, try RunFilter(only, for: spec))
  }
}
