/// A mean with a standard error, tested by Student's t.
public struct StudentEstimate: Sendable, Equatable {
  /// In the unit of the values.
  public let mean: Double
  /// In the same unit; 0 only where nothing varied.
  public let standardError: Double
  /// At least 1.
  public let degreesOfFreedom: Double
  /// What the error covers.
  public let method: ConfidenceInterval.Method

  init(
    mean: Double, standardError: Double, degreesOfFreedom: Double,
    method: ConfidenceInterval.Method
  ) {
    precondition(degreesOfFreedom >= 1, "degrees of freedom: \(degreesOfFreedom)")
    self.mean = mean
    self.standardError = standardError
    self.degreesOfFreedom = degreesOfFreedom
    self.method = method
  }

  /// `mean ± t · standardError`.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in the unit of the mean.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func interval(level: Double = 0.95) throws(StatisticsError) -> ConfidenceInterval {
    try requireInnerProbability(level, "The level")
    let half = distribution.point(within: level) * standardError
    return ConfidenceInterval(
      lower: mean - half, upper: mean + half, level: level, method: method)
  }

  /// The two-sided p-value of a supposed mean; nil where nothing varies.
  public func pValue(against supposed: Double = 0) -> Double? {
    standardError > 0 ? distribution.twoSided((mean - supposed) / standardError) : nil
  }

  var distribution: StudentDistribution {
    // The initializer asks for a degree of freedom, so this cannot throw.
    try! StudentDistribution(degreesOfFreedom: degreesOfFreedom)
  }
}

extension MeanEstimate {
  /// The same mean and error, for what takes either kind of estimate.
  public var student: StudentEstimate {
    StudentEstimate(
      mean: mean, standardError: standardError, degreesOfFreedom: Double(degreesOfFreedom),
      method: isClustered ? .clusteredStudentT : .studentT)
  }
}
