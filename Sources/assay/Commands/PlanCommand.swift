import ArgumentParser
import Experiments
import JSON
import Reports

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Say what a run would do, and why.",
    discussion: """
      For each stage of each point: cached, new, stale, or waiting for an earlier stage, with the \
      parameter or input that changed, the bytes it will take and the time it took before. Then, for \
      each metric, the smallest true difference of two methods that the experiment can show: from \
      finished runs where there are two points of them, else from --discordance and --deviation.

      Examples:
        assay plan experiments/main-table.json
        assay plan experiments/main-table.json --only bits=3 --format csv
      """)

  @OptionGroup var arguments: SpecArguments
  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  @OptionGroup var power: PowerOptions

  @Flag(help: "Read every byte of the artifacts instead of comparing sizes.")
  var verify = false

  func run() throws {
    let (spec, filter) = try arguments.read()
    let engine = makeEngine(workspace.value)
    let options = RunOptions(only: filter, verify: verify)
    try engine.checkInputs(of: spec, options: options)
    let plan = try engine.plan(spec, options: options)
    try workspace.warnOfDamage(in: spec.name)
    switch format.format {
    case .text:
      let forecast = try power.forecast(of: spec, plan: plan, in: workspace.value)
      try StandardOutput.write(Self.text(plan) + forecast.text)
    case .json:
      let forecast = try power.forecast(of: spec, plan: plan, in: workspace.value)
      var whole = try JSONValue(encoding: plan)
      whole.set("detectable", to: try JSONValue(encoding: forecast.lines))
      try StandardOutput.write(PrettyJSON.text(whole))
    case .csv, .md: try StandardOutput.write(Self.table(plan).text(format.format))
    }
  }

  /// One line for each stage of each run, then the totals.
  static func text(_ plan: ExperimentPlan) -> String {
    table(plan).text(.text) + "\n" + totals(plan)
  }

  private static func table(_ plan: ExperimentPlan) -> DataTable {
    var table = DataTable(["run", "point", "state", "stage", "stage state", "why", "bytes", "time"])
    for run in plan.runs {
      let title = PointTitle.of(run.axes, besides: run.aliases, run.seeds)
      if run.stages.isEmpty {
        table.append([
          JSONValue(run.run), JSONValue(title), JSONValue(run.state.rawValue), nil, nil,
          JSONValue(run.error ?? ""), nil, nil,
        ])
      }
      for (index, stage) in run.stages.enumerated() {
        table.append([
          JSONValue(run.run), JSONValue(title),
          JSONValue(index == 0 ? run.state.rawValue : ""), JSONValue(stage.name),
          JSONValue(stage.state.rawValue + (stage.isShared ? " (shared)" : "")),
          JSONValue(why(run, stage)), stage.expectedBytes.map { JSONValue($0) } ?? nil,
          stage.state == .cached
            ? nil : stage.estimatedSeconds.map { JSONValue(ProgressDisplay.duration($0)) } ?? nil,
        ])
      }
    }
    return table
  }

  private static func why(_ run: PlannedPoint, _ stage: PlannedStage) -> String {
    if run.state == .failed, stage.state == .new, let error = run.error { return error }
    return stage.reason ?? ""
  }

  private static func totals(_ plan: ExperimentPlan) -> String {
    let counts = PlannedPoint.State.allCases.map { ($0, plan.count($0)) }.filter { $0.1 > 0 }
      .map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", ")
    let time =
      plan.estimatedSeconds.map { "about \(ProgressDisplay.duration($0))" }
      ?? "time unknown: some stages never ran here"
    return "\(plan.experiment): \(plan.runs.count) runs (\(counts)); "
      + "\(plan.expectedBytes) new bytes or more; \(time)\n"
  }
}
