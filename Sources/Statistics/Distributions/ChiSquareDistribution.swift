/// The χ² distribution.
public struct ChiSquareDistribution: Sendable, Equatable {
  public let degreesOfFreedom: Double

  /// - Parameter degreesOfFreedom: Positive, not necessarily whole.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(degreesOfFreedom: Double) throws(StatisticsError) {
    try requirePositive(degreesOfFreedom, "The number of degrees of freedom")
    self.degreesOfFreedom = degreesOfFreedom
  }

  /// `P(X ≤ x) = P(ν/2, x/2)`.
  public func cumulative(_ x: Double) -> Double {
    regularizedGamma(degreesOfFreedom / 2, x / 2).lower
  }

  /// `P(X > x)`, exact in the tail.
  public func upperTail(_ x: Double) -> Double {
    regularizedGamma(degreesOfFreedom / 2, x / 2).upper
  }

  /// The `x` with `P(X ≤ x) = probability`: 0 and ∞ at 0 and 1.
  ///
  /// - Parameter probability: In 0...1.
  /// - Returns: The quantile.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func quantile(_ probability: Double) throws(StatisticsError) -> Double {
    try requireProbability(probability, "The probability of a quantile")
    if probability == 0 { return 0 }
    if probability == 1 { return .infinity }
    // Each half is solved in its own tail; a small probability has no digits left in 1 − p.
    guard probability < 0.5 else {
      return pointOfUpperTail(1 - probability) { upperTail($0) }
    }
    return pointOfUpperTail(-probability) { -cumulative($0) }
  }
}
