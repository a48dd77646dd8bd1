import ArgumentParser
import Experiments

/// How runs are compared.
struct RunComparisonOptions: ParsableArguments {
  @Option(help: "Runs: only metrics of this name; repeat for more.")
  var metric: [String] = []

  @Option(help: "Runs: how many of the items that differ most are listed for each metric.")
  var top = 5

  @Option(
    help: """
      Runs: what counts as no difference: 0.01 is 1 percentage point of accuracies, and 1 % of other \
      metrics.
      """)
  var margin = 0.01

  @Option(help: "Runs: coverage of intervals.") var level = 0.95
  @Option(help: "Runs: chance of claiming a difference where there is none.") var alpha = 0.05
  @Option(help: "Runs: wanted chance of finding the smallest detectable difference.")
  var power = 0.8

  @Option(help: "Runs: resamples of the bootstrap, at least 100.") var resamples = 10_000
  @Option(help: "Runs: seed of the bootstrap.") var resamplingSeed: UInt64 = 0

  var comparison: ComparisonOptions {
    var options = ComparisonOptions()
    (options.level, options.alpha, options.power) = (level, alpha, power)
    (options.margin, options.resamples, options.seed) = (margin, resamples, resamplingSeed)
    return options
  }

  func validate() throws {
    for (name, value) in [
      ("--level", level), ("--alpha", alpha), ("--power", power), ("--margin", margin),
    ] where !(value > 0 && value < 1) {
      throw ValidationError("\(name) \(value) is out of range; it must lie between 0 and 1.")
    }
    guard power > alpha else {
      throw ValidationError("--power \(power) must be above --alpha \(alpha).")
    }
    guard resamples >= 100 else { throw ValidationError("--resamples: at least 100 are needed.") }
    guard top >= 0 else { throw ValidationError("--top \(top): use 0 or more.") }
  }
}
