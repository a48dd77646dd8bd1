/// The F distribution: the ratio of two mean squares of equal expectation.
public struct FisherDistribution: Sendable, Equatable {
  public let numeratorFreedom: Double
  public let denominatorFreedom: Double

  /// - Parameters:
  ///   - numeratorFreedom: Degrees of freedom above the line, positive.
  ///   - denominatorFreedom: Degrees of freedom below it, positive.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(
    numeratorFreedom: Double, denominatorFreedom: Double
  ) throws(StatisticsError) {
    try requirePositive(numeratorFreedom, "The number of degrees of freedom")
    try requirePositive(denominatorFreedom, "The number of degrees of freedom")
    self.numeratorFreedom = numeratorFreedom
    self.denominatorFreedom = denominatorFreedom
  }

  /// `P(F > x) = I(ν₂/2, ν₁/2)` at `ν₂ / (ν₂ + ν₁ x)`.
  public func upperTail(_ x: Double) -> Double {
    if x <= 0 { return 1 }
    let above = numeratorFreedom * x
    guard above.isFinite else { return x.isNaN ? .nan : 0 }
    let sum = denominatorFreedom + above
    return regularizedBeta(
      denominatorFreedom / 2, numeratorFreedom / 2, x: denominatorFreedom / sum,
      complement: above / sum)
  }
}
