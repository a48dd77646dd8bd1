/// A range that covers the true value in a stated share of repeated experiments.
///
/// It carries how it was made, so that no table prints a ± that does not say what it is.
public struct ConfidenceInterval: Sendable, Equatable {
  /// How an interval was made.
  public enum Method: String, Sendable, CaseIterable {
    case studentT = "Student t"
    case robustStudentT = "Student t, HC3"
    case clusteredStudentT = "Student t, cluster-robust"
    case crossedStudentT = "Student t, crossed"
    case wilson = "Wilson"
    case score = "Tango score"
    case percentileBootstrap = "percentile bootstrap"
    case acceleratedBootstrap = "BCa bootstrap"
    case orderStatistics = "order statistics of the median"
  }

  public let lower: Double
  public let upper: Double
  /// Nominal coverage, for example 0.95.
  public let level: Double
  public let method: Method

  public init(lower: Double, upper: Double, level: Double, method: Method) {
    self.lower = lower
    self.upper = upper
    self.level = level
    self.method = method
  }

  /// The interval of an increasing function of the quantity, such as `exp` for a log perplexity.
  public func mapped(byIncreasing transform: (Double) -> Double) -> ConfidenceInterval {
    ConfidenceInterval(
      lower: transform(lower), upper: transform(upper), level: level, method: method)
  }

  public func contains(_ value: Double) -> Bool { lower <= value && value <= upper }
}
