/// A coefficient of a regression with its error.
public struct Coefficient: Sendable, Equatable {
  public let name: String
  /// In units of the response per unit of the predictor.
  public let estimate: Double
  /// In the same unit.
  public let standardError: Double
  /// How intervals are made, for their label.
  let method: ConfidenceInterval.Method
  let student: StudentDistribution

  public var degreesOfFreedom: Double { student.degreesOfFreedom }

  /// `estimate / standardError`; nil for an error of 0.
  public var t: Double? { standardError > 0 ? estimate / standardError : nil }

  /// The two-sided p-value of a coefficient of 0; nil for an error of 0.
  public var pValue: Double? { t.map { student.twoSided($0) } }

  /// `estimate ± t · standardError`.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in the unit of the estimate.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func interval(level: Double = 0.95) throws(StatisticsError) -> ConfidenceInterval {
    try requireInnerProbability(level, "The level")
    let half = student.point(within: level) * standardError
    return ConfidenceInterval(
      lower: estimate - half, upper: estimate + half, level: level, method: method)
  }
}
