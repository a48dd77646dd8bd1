import Foundation

/// The normal distribution of mean 0 and variance 1.
public enum StandardNormal {
  /// `Φ(x)`, exact in the lower tail.
  public static func cumulative(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

  /// `1 − Φ(x)`, exact in the upper tail.
  public static func upperTail(_ x: Double) -> Double { cumulative(-x) }

  /// `Φ⁻¹(p)`: ∓∞ at 0 and 1.
  ///
  /// A rational approximation good to 1.2e-9, then one Halley step against `erfc`.
  ///
  /// - Parameter probability: In 0...1.
  /// - Returns: `x` with `Φ(x) = probability`.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  /// - SeeAlso: Acklam 2003, "An algorithm for computing the inverse normal cumulative distribution
  ///   function".
  public static func quantile(_ probability: Double) throws(StatisticsError) -> Double {
    try requireProbability(probability, "The probability of a quantile")
    return point(below: probability)
  }

  /// The `z` with `P(|Z| ≤ z) = level`, exact for levels close to 1 too.
  static func point(within level: Double) -> Double { -point(below: (1 - level) / 2) }

  static func point(below probability: Double) -> Double {
    if probability == 0 { return -.infinity }
    if probability == 1 { return .infinity }
    guard probability <= 0.5 else { return -point(below: 1 - probability) }
    let start = acklam(probability)
    let error = cumulative(start) - probability
    let step = error * (2 * Double.pi).squareRoot() * exp(start * start / 2)
    return start - step / (1 + start * step / 2)
  }

  private static func acklam(_ p: Double) -> Double {
    guard p >= 0.02425 else {
      let q = (-2 * log(p)).squareRoot()
      return polynomial(tailNumerator, q) / polynomial(tailDenominator, q)
    }
    let (q, square) = (p - 0.5, (p - 0.5) * (p - 0.5))
    return polynomial(centralNumerator, square) * q / polynomial(centralDenominator, square)
  }

  /// Horner's rule, highest power first.
  private static func polynomial(_ coefficients: [Double], _ x: Double) -> Double {
    coefficients.reduce(0) { $0 * x + $1 }
  }

  private static let centralNumerator = [
    -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
    1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00,
  ]
  private static let centralDenominator = [
    -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
    6.680131188771972e+01, -1.328068155288572e+01, 1,
  ]
  private static let tailNumerator = [
    -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
    -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00,
  ]
  private static let tailDenominator = [
    7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
    3.754408661907416e+00, 1,
  ]
}
