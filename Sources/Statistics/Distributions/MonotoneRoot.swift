/// Where a function changes sign between `lower` and `upper`, to a few units in the last place.
///
/// Inverse quadratic steps where they are safe, bisection elsewhere.
///
/// - Parameters:
///   - lower: One end.
///   - upper: The other end.
///   - value: Continuous, of unlike signs at both ends; otherwise the end nearer to zero results.
/// - Returns: A point in the bracket.
/// - SeeAlso: Chandrupatla 1997, "A new hybrid quadratic/bisection algorithm",
///   doi:10.1016/S0965-9978(96)00051-8.
func root(between lower: Double, and upper: Double, of value: (Double) -> Double) -> Double {
  var (a, b) = (upper, lower)
  var (valueA, valueB) = (value(a), value(b))
  guard (valueA < 0) != (valueB < 0) else { return abs(valueA) < abs(valueB) ? a : b }
  var (c, valueC) = (a, valueA)
  var fraction = 0.5
  for _ in 0..<400 {
    let point = a + fraction * (b - a)
    let valueAtPoint = value(point)
    if (valueAtPoint < 0) == (valueA < 0) {
      (c, valueC) = (a, valueA)
    } else {
      (c, b, valueC, valueB) = (b, a, valueB, valueA)
    }
    (a, valueA) = (point, valueAtPoint)
    let isANearer = abs(valueA) < abs(valueB)
    let best = isANearer ? a : b
    if (isANearer ? valueA : valueB) == 0 { return best }
    let tolerance = max(best.ulp, .leastNormalMagnitude) / abs(b - a)
    if tolerance > 0.5 { return best }
    let (xi, phi) = ((a - b) / (c - b), (valueA - valueB) / (valueC - valueB))
    if phi * phi < xi, (1 - phi) * (1 - phi) < 1 - xi {
      let first = valueA / (valueB - valueA) * valueC / (valueB - valueC)
      let second = valueA / (valueC - valueA) * valueB / (valueC - valueB)
      fraction = first + (c - a) / (b - a) * second
    } else {
      fraction = 0.5
    }
    fraction = min(1 - tolerance, max(tolerance, fraction))
  }
  return a
}

/// The point of `0...∞` where a falling tail function passes `tail`.
///
/// - Parameters:
///   - tail: Between 0 and `upperTail(0)`.
///   - upperTail: Falls from its value at 0 to 0.
/// - Returns: Non-negative.
func pointOfUpperTail(_ tail: Double, of upperTail: (Double) -> Double) -> Double {
  var upper = 1.0
  while upperTail(upper) > tail, upper < 1e300 { upper *= 2 }
  var lower = upper / 2
  while upperTail(lower) < tail, lower > 1e-300 { (lower, upper) = (lower / 2, lower) }
  return root(between: lower, and: upper) { upperTail($0) - tail }
}
