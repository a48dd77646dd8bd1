/// `I_x(a, b)`, the regularized incomplete beta function.
///
/// Lentz's continued fraction on the side where it converges fast, times a front factor in
/// saddle-point form, so that large parameters lose no digits to differences of log Γ.
///
/// - Parameters:
///   - a: Positive.
///   - b: Positive.
///   - x: In 0...1.
///   - complement: `1 − x`, given apart since the caller may know it more exactly.
/// - Returns: In 0...1.
/// - SeeAlso: Press et al., "Numerical Recipes", 3rd edition, §6.4.
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
  let front = binomialMass(a, b, p: x, q: complement) * b / (a + b)
  return min(1, front * betaFraction(a, b, x))
}

private func betaFraction(_ a: Double, _ b: Double, _ x: Double) -> Double {
  var fraction = LentzFraction(start: 1)
  fraction.extend(numerator: -(a + b) * x / (a + 1), denominator: 1)
  var m = 1.0
  // About √max(a, b) steps suffice.
  while !fraction.hasSettled, m < 1e6 {
    let even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    fraction.extend(numerator: even, denominator: 1)
    let odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    fraction.extend(numerator: odd, denominator: 1)
    m += 1
  }
  return 1 / fraction.value
}
