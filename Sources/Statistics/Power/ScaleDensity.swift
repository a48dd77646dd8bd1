import Foundation

/// The density of `y = log S` where `S = √(χ²_ν / ν)` is the relative error of a standard deviation.
///
/// `f(y) = 2 (ν/2)^{ν/2} / Γ(ν/2) · exp(ν y − ν e^{2y} / 2)`. In `y` it is smooth and decays
/// exponentially on both sides, so that equal steps integrate it to rounding.
struct ScaleDensity {
  let degreesOfFreedom: Double

  /// `f(0)` by Stirling's formula with its remainder; `Γ` itself would overflow.
  private var center: Double {
    let half = degreesOfFreedom / 2
    return 2 * (half / (2 * .pi)).squareRoot() * exp(-stirlingError(half))
  }

  /// `E[g(S)]` for a bounded `g`.
  ///
  /// - Parameters:
  ///   - largestStep: In `y`; a fraction of the narrowest feature of `g(e^y)`.
  ///   - value: `g`.
  /// - Returns: The mean.
  func mean(step largestStep: Double, of value: (Double) -> Double) -> Double {
    let step = min(largestStep, 0.4 / (2 * degreesOfFreedom).squareRoot())
    var sum = value(1)
    for direction in [-step, step] {
      var count = 1.0
      while true {
        let y = count * direction
        let exponent = degreesOfFreedom * (y - expm1(2 * y) / 2)
        // e^−45 is below the rounding of the sum.
        if exponent < -45 { break }
        sum += exp(exponent) * value(exp(y))
        count += 1
      }
    }
    return sum * center * step
  }
}
