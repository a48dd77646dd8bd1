import ArgumentParser
import Experiments
import Foundation
import Reports

/// Where results live.
struct WorkspaceOption: ParsableArguments {
  @Option(help: "The workspace folder.", completion: .directory)
  var workspace = ".assay"

  var value: Workspace { Workspace(root: URL(filePath: workspace)) }

  /// Names on standard error the results that are there and cannot be read, which else would be
  /// missing without a word.
  func warnOfDamage(in experiment: String? = nil) throws {
    for damage in try value.damagedResults(of: experiment) {
      FileHandle.standardError.write(Data("Warning: \(damage) assay run does it again.\n".utf8))
    }
  }
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

  /// Reads the whole spec, tables and figures too: what is wrong in them shall not come up when
  /// everything has been computed.
  func read() throws -> (spec: ExperimentSpec, filter: RunFilter) {
    let spec = try ExperimentSpec(contentsOf: URL(filePath: self.spec))
    try spec.checkReport()
    return (spec, try RunFilter(only, for: spec))
  }
}

extension ExperimentSpec {
  func checkReport() throws {
    let points = try points()
    try ReportCheck.check(
      self, points: points, names: ModelPipeline.resultNames(of: points))
  }
}
