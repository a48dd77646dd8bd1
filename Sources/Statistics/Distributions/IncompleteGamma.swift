/// `P(a, x)` and `Q(a, x) = 1 − P`, the regularized incomplete gamma functions; a > 0, x ≥ 0.
///
/// The smaller one is computed, by a series below `a + 1` and a continued fraction above.
/// - SeeAlso: Press et al., "Numerical Recipes", 3rd edition, §6.2.
func regularizedGamma(_ a: Double, _ x: Double) -> (lower: Double, upper: Double) {
  if x.isNaN { return (.nan, .nan) }
  if x <= 0 { return (0, 1) }
  if x == .infinity { return (1, 0) }
  let mass = poissonMass(a, mean: x)
  guard x >= a + 1 else {
    let lower = min(1, mass * gammaSeries(a, x))
    return (lower, 1 - lower)
  }
  let upper = min(1, mass * a / gammaFraction(a, x))
  return (1 - upper, upper)
}

/// `1 + x/(a+1) + x²/((a+1)(a+2)) + …`
private func gammaSeries(_ a: Double, _ x: Double) -> Double {
  var (sum, term, divisor) = (1.0, 1.0, a)
  while true {
    divisor += 1
    term *= x / divisor
    let next = sum + term
    if next == sum { return sum }
    sum = next
  }
}

private func gammaFraction(_ a: Double, _ x: Double) -> Double {
  var fraction = LentzFraction(start: x + 1 - a)
  var step = 1.0
  while !fraction.hasSettled, step < 1e6 {
    fraction.extend(numerator: -step * (step - a), denominator: x + 2 * step + 1 - a)
    step += 1
  }
  return fraction.value
}
