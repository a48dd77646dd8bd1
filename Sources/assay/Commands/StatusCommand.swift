import ArgumentParser
import Experiments
import JSON

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say how far each run of an experiment is.",
    discussion: """
      Looks at the files, so it is right while other processes work on the experiment.

      Examples:
        assay status experiments/main-table.json
        assay status experiments/main-table.json --format json
      """)

  @OptionGroup var arguments: SpecArguments
  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func run() throws {
    let (spec, filter) = try arguments.read()
    let engine = makeEngine(workspace.value)
    let options = RunOptions(only: filter)
    try engine.checkInputs(of: spec, options: options)
    let plan = try engine.plan(spec, options: options)
    try workspace.warnOfDamage(in: spec.name)
    var table = DataTable(["run", "point", "state", "stages done", "stages", "error"])
    for run in plan.runs {
      table.append([
        JSONValue(run.run), JSONValue(PointTitle.of(run.axes, besides: run.aliases, run.seeds)),
        JSONValue(run.state.rawValue), JSONValue(run.stages.count { $0.state == .cached }),
        JSONValue(run.stages.count), run.error.map { JSONValue($0) } ?? nil,
      ])
    }
    try StandardOutput.write(table.text(format.format))
  }
}
