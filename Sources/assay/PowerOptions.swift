import ArgumentParser
import Experiments
import JSON
import Reports

/// What is supposed about differences before they are measured.
struct PowerOptions: ParsableArguments {
  @Option(help: "Share of questions that only one of two methods gets right, if none is measured.")
  var discordance = 0.05

  @Option(
    help: """
      Standard deviation over windows of the difference of two methods, nats per token, if none is \
      measured.
      """)
  var deviation = 0.02

  @Option(help: "Chance of claiming a difference where there is none.") var alpha = 0.05
  @Option(help: "Wanted chance of finding a difference.") var power = 0.8

  func validate() throws {
    for (name, value) in [
      ("--alpha", alpha), ("--power", power), ("--discordance", discordance),
    ] where !(value > 0 && value < 1) {
      throw ValidationError("\(name) \(value) is out of range; it must lie between 0 and 1.")
    }
    guard power > alpha else {
      throw ValidationError("--power \(power) must be above --alpha \(alpha).")
    }
    guard deviation > 0, deviation.isFinite else {
      throw ValidationError("--deviation \(deviation) is out of range; it must be positive.")
    }
  }

  /// What the experiment can show.
  ///
  /// - Throws: What reading the spec's tables and points throws.
  func forecast(
    of spec: ExperimentSpec, plan: ExperimentPlan, in workspace: Workspace
  ) throws -> PowerForecastOutput {
    var assumptions = PowerForecast.Assumptions()
    (assumptions.alpha, assumptions.power) = (alpha, power)
    (assumptions.discordance, assumptions.deviation) = (discordance, deviation)
    let points = try spec.points()
    let tests = try ReportCheck.testCount(
      of: spec, points: points, names: ModelPipeline.resultNames(of: points))
    assumptions.tests = max(tests, 1)
    return PowerForecastOutput(
      assumptions: assumptions,
      lines: try PowerForecast(assumptions).lines(of: spec, plan: plan, in: workspace))
  }
}

/// Detectable differences as a table.
struct PowerForecastOutput {
  let assumptions: PowerForecast.Assumptions
  let lines: [PowerForecast.Line]

  var text: String {
    guard !lines.isEmpty else { return "" }
    let isCorrected = assumptions.tests > 1
    var table = DataTable(
      ["metric", "items", "detectable"]
        + (isCorrected ? ["in \(assumptions.tests) tests"] : []) + ["from"])
    for line in lines {
      let title = line.scope == "all" ? line.metric : "\(line.metric), \(line.scope)"
      let sizes = [line.detectable] + (isCorrected ? [line.corrected] : [])
      table.append(
        ([title, "\(line.items) \(line.noun)"]
          + sizes.map { size in
            size.map { ComparisonText.amount($0, unit: line.unit, isRatio: line.isRatio) }
              ?? "none"
          } + [line.basis]).map { JSONValue($0) })
    }
    let correction =
      isCorrected
      ? " In \(assumptions.tests) tests: at α / \(assumptions.tests), what Holm's correction asks of "
        + "the smallest p-value of the largest table." : ""
    return """

      Smallest true difference of two methods that is found with chance \(assumptions.power) at \
      α = \(assumptions.alpha), same items:
      \(table.text(.text))\(correction.isEmpty ? "" : correction.dropFirst() + "\n")
      """
  }
}
