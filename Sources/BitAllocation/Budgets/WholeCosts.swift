/// Costs as whole numbers: exact to a billionth of the unit, then divided by their greatest common
/// divisor, so that half bits and budgets of decimals are compared without rounding.
struct WholeCosts {
  /// One value per choice.
  let cost: [Int64]
  /// The cost of one, in the unit of the quantity.
  let quantum: Double
  private let divisor: Int128
  /// Whole numbers were too large for 64 bits and were shortened, costs upwards.
  private let shift: Int128

  private static let billionths = 1e9

  init(_ costs: [Double]) {
    let exact = costs.map { Int128(($0 * Self.billionths).rounded()) }
    let divisor = max(exact.reduce(0, Self.gcd), 1)
    let largest = (exact.max() ?? 0) / divisor
    var shift: Int128 = 1
    // Sums over all choices stay far inside of 64 bits.
    while largest / shift > (Int128(1) << 60) / Int128(max(costs.count, 1)) { shift *= 2 }
    cost = exact.map { Int64(($0 / divisor + shift - 1) / shift) }
    quantum = Double(divisor) * Double(shift) / Self.billionths
    (self.divisor, self.shift) = (divisor, shift)
  }

  /// The largest whole number that is not above `value` times `weights`.
  func capacity(_ value: Double, times weights: Int, less fixed: Double) -> Int64 {
    let exact =
      Int128((value * Self.billionths).rounded()) * Int128(weights)
      - Int128((fixed * Self.billionths).rounded())
    let unit = divisor * shift
    let whole = exact >= 0 ? exact / unit : -((-exact + unit - 1) / unit)
    return Int64(clamping: whole)
  }

  private static func gcd(_ a: Int128, _ b: Int128) -> Int128 {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
  }
}
