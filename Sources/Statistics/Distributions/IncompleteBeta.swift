/// `I_x(a, b)`, the regularized incomplete beta function.
///
/// A continued fraction on the side where it converges fast, times a front factor in saddle-point
/// form, so that large parameters lose no digits to differences of log Γ.
///
/// - Parameters:
///   - a: Positive.
///   - b: Positive.
///   - x: In 0...1.
///   - complement: `1 − x`, given apart since the caller may know it more exactly.
/// - Returns: In 0...1.
/// - SeeAlso: DiDonato and Morris 1992, "Algorithm 708: significant digit computation of the
///   incomplete beta function ratios", doi:10.1145/131766.131776.
func regularizedBeta(_ a: Double, _ b: Double, x: Double, complement: Double) -> Double {
  if x.isNaN || complement.isNaN { return .nan }
  if x <= 0 { return 0 }
  if complement <= 0 { return 1 }
  guard x <= (a + 1) / (a + b + 2) else {
    return 1 - lowerBeta(b, a, x: complement, complement: x)
  }
  return lowerBeta(a, b, x: x, complement: complement)
}

private func lowerBeta(_ a: Double, _ b: Double, x: Double, complement: Double) -> Double {
  let front = binomialMass(a, b, p: x, q: complement) * (a * b / (a + b))
  return min(1, front / betaFraction(a, b, x, complement))
}

/// The even part of the usual fraction: where the usual one subtracts numbers near 1 for `x` near 1,
/// it has `a (1 − x) − b x`, which keeps its digits.
private func betaFraction(_ a: Double, _ b: Double, _ x: Double, _ complement: Double) -> Double {
  let distance = a * complement - b * x + 1
  var fraction = LentzFraction(start: a * distance / (a + 1))
  var m = 1.0
  // About √max(a, b) steps suffice.
  while !fraction.hasSettled, m < 1e6 {
    let middle = a + 2 * m - 1
    let numerator = (a + m - 1) / middle * ((a + b + m - 1) / middle) * m * (b - m) * x * x
    let denominator =
      m + m * (b - m) * x / middle + (a + m) * (distance + m * (2 - x)) / (a + 2 * m + 1)
    fraction.extend(numerator: numerator, denominator: denominator)
    m += 1
  }
  return fraction.value
}
