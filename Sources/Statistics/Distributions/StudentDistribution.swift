/// Student's t distribution.
public struct StudentDistribution: Sendable, Equatable {
  public let degreesOfFreedom: Double

  /// - Parameter degreesOfFreedom: Positive, not necessarily whole.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(degreesOfFreedom: Double) throws(StatisticsError) {
    try requirePositive(degreesOfFreedom, "The number of degrees of freedom")
    self.degreesOfFreedom = degreesOfFreedom
  }

  /// `P(T > t)`: half of `I_x(ν/2, ½)` at `x = ν / (ν + t²)` for positive t.
  public func upperTail(_ t: Double) -> Double {
    if t.isNaN { return .nan }
    if t.isInfinite { return t > 0 ? 0 : 1 }
    let square = t * t
    let sum = degreesOfFreedom + square
    let half =
      0.5
      * regularizedBeta(
        degreesOfFreedom / 2, 0.5, x: sum.isFinite ? degreesOfFreedom / sum : 0,
        complement: sum.isFinite ? square / sum : 1)
    return t >= 0 ? half : 1 - half
  }

  /// The `t` with `P(|T| ≤ t) = level`, for a level checked to be between 0 and 1.
  func point(within level: Double) -> Double {
    pointOfUpperTail((1 - level) / 2) { upperTail($0) }
  }

  /// `P(T ≤ t)`.
  public func cumulative(_ t: Double) -> Double { upperTail(-t) }

  /// `P(|T| ≥ |t|)`.
  public func twoSided(_ t: Double) -> Double { min(1, 2 * upperTail(abs(t))) }

  /// The `t` with `P(T ≤ t) = probability`: ∓∞ at 0 and 1.
  ///
  /// - Parameter probability: In 0...1.
  /// - Returns: The quantile.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func quantile(_ probability: Double) throws(StatisticsError) -> Double {
    try requireProbability(probability, "The probability of a quantile")
    if probability == 0 { return -.infinity }
    if probability == 1 { return .infinity }
    if probability == 0.5 { return 0 }
    let point = pointOfUpperTail(min(probability, 1 - probability)) { upperTail($0) }
    return probability < 0.5 ? -point : point
  }
}
