/// A continued fraction `b₀ + a₁ / (b₁ + a₂ / (b₂ + …))`, taken in from the left.
///
/// - SeeAlso: Thompson and Barnett 1986, "Coulomb and Bessel functions of complex arguments and
///   order", doi:10.1016/0021-9991(86)90046-X (the modified method of Lentz).
struct LentzFraction {
  private(set) var value: Double
  private(set) var hasSettled = false
  private var ratio: Double
  private var inverse = 0.0
  /// Stands for a zero divisor.
  private static let tiny = 1e-300

  init(start: Double) {
    value = start == 0 ? Self.tiny : start
    ratio = value
  }

  mutating func extend(numerator: Double, denominator: Double) {
    inverse = Self.nonzero(denominator + numerator * inverse)
    ratio = Self.nonzero(denominator + numerator / ratio)
    inverse = 1 / inverse
    let factor = ratio * inverse
    value *= factor
    hasSettled = abs(factor - 1) < 1e-15
  }

  private static func nonzero(_ value: Double) -> Double { value == 0 ? tiny : value }
}
