import Foundation

/// How small a mean difference a two-sided t test can see.
///
/// With a true difference of `λ` standard errors the test statistic is `(Z + λ) / S` for a standard
/// normal `Z` and `S = √(χ²_ν / ν)`; the power is `E[Φ(λ − tS) + Φ(−λ − tS)]` with the critical
/// value `t`. No normal approximation is made, so that it holds for three seeds as for ten thousand
/// items.
/// - SeeAlso: Cohen 1988, "Statistical power analysis for the behavioral sciences", chapter 2.
public struct MeanDetectability: Sendable, Equatable {
  public let degreesOfFreedom: Double
  /// Chance of claiming a difference where there is none.
  public let alpha: Double
  private let criticalValue: Double

  /// - Parameters:
  ///   - degreesOfFreedom: Independent units − 1: items, or clusters where there are any; at least 1.
  ///   - alpha: Two-sided, between 0 and 1.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(degreesOfFreedom: Double, alpha: Double = 0.05) throws(StatisticsError) {
    guard degreesOfFreedom >= 1 else {
      throw .outside(
        "The number of degrees of freedom", value: "\(degreesOfFreedom)", allowed: "1 or more")
    }
    let student = try StudentDistribution(degreesOfFreedom: degreesOfFreedom)
    try requireInnerProbability(alpha, "Alpha")
    self.degreesOfFreedom = degreesOfFreedom
    self.alpha = alpha
    criticalValue = -(try student.quantile(alpha / 2))
  }

  /// The chance of claiming a difference.
  ///
  /// - Parameter noncentrality: True difference in standard errors of its estimate.
  /// - Returns: In `alpha...1`.
  public func power(noncentrality: Double) -> Double {
    let size = abs(noncentrality)
    guard size <= 500 else { return largePower(size) }
    let scale = ScaleDensity(degreesOfFreedom: degreesOfFreedom)
    // Steps a fraction of the narrowest feature of the integrand make the trapezoidal rule exact.
    let mean = scale.mean(step: 0.4 / max(8, size)) { scale in
      StandardNormal.cumulative(size - criticalValue * scale)
        + StandardNormal.cumulative(-size - criticalValue * scale)
    }
    return min(1, mean)
  }

  /// `P(S < (λ − Z) / t)` by three Gauss–Hermite nodes: against a λ this large, `Z` hardly matters,
  /// and the error is of order `λ^−6`.
  private func largePower(_ size: Double) -> Double {
    func share(_ deviate: Double) -> Double {
      let scale = (size - deviate) / criticalValue
      return regularizedGamma(degreesOfFreedom / 2, degreesOfFreedom / 2 * scale * scale).lower
    }
    let far = 3.0.squareRoot()
    return (share(-far) + 4 * share(0) + share(far)) / 6
  }

  /// The smallest true difference that is found with the given chance, in standard errors.
  ///
  /// - Parameter power: Wanted chance of finding it, above alpha and below 1.
  /// - Returns: Positive; close to `z(1 − α/2) + z(power)` for many degrees of freedom.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func smallestNoncentrality(power: Double) throws(StatisticsError) -> Double {
    guard power > alpha, power < 1 else {
      throw .outside("The power", value: "\(power)", allowed: "between alpha, \(alpha), and 1")
    }
    var upper = 4.0
    while self.power(noncentrality: upper) < power { upper *= 2 }
    return root(between: 0, and: upper) { self.power(noncentrality: $0) - power }
  }

  /// Before a run: the smallest mean paired difference that `units` independent units can show.
  ///
  /// - Parameters:
  ///   - deviation: Assumed standard deviation of the differences of one unit, positive.
  ///   - units: Items, documents or seeds, at least two.
  ///   - alpha: Two-sided, between 0 and 1.
  ///   - power: Wanted chance of finding it, above alpha.
  /// - Returns: In the unit of `deviation`.
  /// - Throws: ``StatisticsError`` for a value out of range.
  public static func smallestDifference(
    deviation: Double, units: Int, alpha: Double = 0.05, power: Double = 0.8
  ) throws(StatisticsError) -> Double {
    try requirePositive(deviation, "The standard deviation")
    try requireCount(units, "units", atLeast: 2)
    let detectability = try MeanDetectability(degreesOfFreedom: Double(units - 1), alpha: alpha)
    return try detectability.smallestNoncentrality(power: power) * deviation
      / Double(units).squareRoot()
  }

  /// After a run: the smallest true difference that a repetition of the run would show.
  ///
  /// It depends on the measured error alone; computed from the measured *difference*, power would be
  /// the p-value in other words.
  ///
  /// - Parameters:
  ///   - estimate: The measured mean difference with its error.
  ///   - alpha: Two-sided, between 0 and 1.
  ///   - power: Wanted chance of finding it, above alpha.
  /// - Returns: In the unit of the estimate; 0 where nothing varied.
  /// - Throws: ``StatisticsError`` for a value out of range.
  /// - SeeAlso: Hoenig and Heisey 2001, "The abuse of power", doi:10.1198/000313001300339897.
  public static func smallestDifference(
    after estimate: StudentEstimate, alpha: Double = 0.05, power: Double = 0.8
  ) throws(StatisticsError) -> Double {
    let detectability = try MeanDetectability(
      degreesOfFreedom: estimate.degreesOfFreedom, alpha: alpha)
    return try detectability.smallestNoncentrality(power: power) * estimate.standardError
  }

  /// ``smallestDifference(after:alpha:power:)`` of a mean over items.
  public static func smallestDifference(
    after estimate: MeanEstimate, alpha: Double = 0.05, power: Double = 0.8
  ) throws(StatisticsError) -> Double {
    try smallestDifference(after: estimate.student, alpha: alpha, power: power)
  }
}
