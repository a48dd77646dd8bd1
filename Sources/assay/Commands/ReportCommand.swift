import ArgumentParser
import Experiments
import Foundation
import Reports

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write an experiment's tables and figures.",
    discussion: """
      Collects the results of the workspace into reports/data/<experiment>.json and renders the
      report from that file alone. In a workspace without results the committed data is rendered.
      --check renders from the committed data, writes nothing, and exits with 4 if files differ.

      Examples:
        assay report experiments/main-table.json
        assay report experiments/main-table.json --check
      """)

  @Argument(help: "The experiment's JSON file.", completion: .file(extensions: ["json"]))
  var spec: String

  @OptionGroup var workspace: WorkspaceOption

  @Option(help: "The folder of reports.", completion: .directory)
  var reports = "reports"

  @Flag(help: "Compare with what is there and write nothing.")
  var check = false

  func run() throws {
    let spec = try ExperimentSpec(contentsOf: URL(filePath: self.spec))
    let folder = ReportFolder(URL(filePath: reports, directoryHint: .isDirectory))
    if check {
      let name = spec.name
      let drifting = try blocking { try await ReportRenderer.check(name, in: folder) }
      for path in drifting { try StandardOutput.writeLine("\(reports)/\(path) differs") }
      if !drifting.isEmpty { throw Failure.drift }
      return
    }
    let data = try collect(spec, folder)
    let written = try blocking { try await ReportRenderer(data).write(to: folder) }
    for path in written { try StandardOutput.writeLine("wrote \(reports)/\(path)") }
    try StandardOutput.writeLine("\(reports)/\(spec.name).md")
  }

  /// The results of the workspace, or the committed data where there are none.
  private func collect(_ spec: ExperimentSpec, _ folder: ReportFolder) throws -> ReportData {
    try spec.checkReport()
    try workspace.warnOfDamage(in: spec.name)
    let workspace = workspace.value
    let plan = try makeEngine(workspace).plan(spec)
      .withImportedRuns(of: spec.name, in: workspace)
    var data = try ReportData.collect(spec, plan: plan, in: workspace) {
      workspace.run($0).result()
    }
    guard data.rows.isEmpty else {
      let runs = Set(data.rows.map(\.run))
      let store = ArtifactStore(root: workspace.artifacts)
      data.analyses = try ReportAnalysis.collect(
        spec, results: runs.sorted().compactMap { workspace.run($0).result() }
      ) { store.folder(stage: $0.name, key: $0.key) }
      return data
    }
    return try ReportData.read(from: folder.data(of: spec.name))
  }
}
