import Foundation

/// Numbers as text, the same in every locale.
package enum DecimalText {
  /// `value` rounded to `decimals` decimals, the exact product's ties to even.
  ///
  /// The rounding looks at the exact `value · 10^decimals` (one fused multiply-add), not at its
  /// rounded product, so that 1.115, which is stored below the tie, gives 1.11.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite else { return special(value) }
    let scale = pow(10, Double(decimals))
    let magnitude = abs(value)
    // Beyond 2^53 a double has no decimals left to round.
    guard magnitude * scale < 9_007_199_254_740_992 else { return "\(value)" }
    var whole = (magnitude * scale).rounded(.down)
    let fraction = (-whole).addingProduct(magnitude, scale)
    if fraction > 0.5 || (fraction == 0.5 && !whole.remainder(dividingBy: 2).isZero) { whole += 1 }
    let digits = String(Int(whole))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard decimals > 0 else { return sign + padded }
    return sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
  }

  /// `value` with `digits` significant digits; digits before the point are never rounded away.
  package static func significant(_ value: Double, digits: Int) -> String {
    fixed(value, decimals: decimals(for: value, significant: digits))
  }

  /// Decimals that leave `digits` significant digits of `value`, at most nine.
  package static func decimals(for value: Double, significant digits: Int) -> Int {
    guard value.isFinite, value != 0 else { return digits - 1 }
    let exponent = Int(log10(abs(value)).rounded(.down))
    let decimals = min(9, max(0, digits - 1 - exponent))
    // Rounding may add a digit: 0.0996 becomes 0.10, not 0.100.
    let rounded = Double(fixed(abs(value), decimals: decimals)) ?? 0
    let isCarried = rounded >= Double("1e\(exponent + 1)") ?? .infinity
    return isCarried ? max(0, decimals - 1) : decimals
  }

  /// Groups of three digits: 1,234,567.
  package static func grouped(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }

  package static func special(_ value: Double) -> String {
    value.isNaN ? "NaN" : value > 0 ? "∞" : "-∞"
  }
}
