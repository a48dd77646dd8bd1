import Foundation

/// `log(n! / (√(2πn) (n/e)^n))`, what Stirling's formula lacks; n > 0 need not be whole.
///
/// The series is used where its next term, `691 / (360360 n¹¹)`, is below 1e-16.
/// - SeeAlso: Loader 2000, "Fast and accurate computation of binomial probabilities".
func stirlingError(_ n: Double) -> Double {
  guard n >= 15 else {
    return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.5 * log(2 * .pi)
  }
  let square = n * n
  let fourth = 1.0 / 1260 - (1.0 / 1680 - (1.0 / 1188 - 691.0 / 360_360 / square) / square) / square
  return (1.0 / 12 - (1.0 / 360 - fourth / square) / square) / n
}

/// `x log(x / mean) + mean − x` without the cancellation that the formula has for `x` near `mean`.
func deviance(_ x: Double, mean: Double) -> Double {
  let difference = x - mean
  guard abs(difference) < 0.1 * (x + mean) else { return x * log(x / mean) - difference }
  let ratio = difference / (x + mean)
  var sum = difference * ratio
  var term = 2 * x * ratio
  var odd = 3.0
  while true {
    term *= ratio * ratio
    let next = sum + term / odd
    if next == sum { return sum }
    sum = next
    odd += 2
  }
}

/// `Γ(a+b+1) / (Γ(a+1) Γ(b+1)) · p^a q^b` for `p + q = 1`; a and b positive, not necessarily whole.
func binomialMass(_ a: Double, _ b: Double, p: Double, q: Double) -> Double {
  let n = a + b
  let exponent =
    stirlingError(n) - stirlingError(a) - stirlingError(b)
    - deviance(a, mean: n * p) - deviance(b, mean: n * q)
  return exp(exponent) * (n / (2 * .pi * a * b)).squareRoot()
}

/// `mean^x e^−mean / Γ(x + 1)` for positive `x`, not necessarily whole.
func poissonMass(_ x: Double, mean: Double) -> Double {
  exp(-stirlingError(x) - deviance(x, mean: mean)) / (2 * .pi * x).squareRoot()
}
