import Foundation

/// Canonical JSON after RFC 8785: no spaces, keys by UTF-16 code units, ECMAScript numbers.
///
/// `JSONEncoder` with sorted keys is not canonical: it prints `1e-07`, `1e+20` and `-0`.
public enum CanonicalJSON {
  /// - Precondition: Every number is finite; the parser and `JSONEncoder` admit no other.
  public static func text(_ value: JSONValue) -> String {
    var out = ""
    write(value, to: &out)
    return out
  }

  public static func data(_ value: JSONValue) -> Data { Data(text(value).utf8) }

  private static func write(_ value: JSONValue, to out: inout String) {
    switch value {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .number(let value): out += number(value)
    case .string(let value): out += string(value)
    case .array(let elements): writeList(elements, "[", "]", to: &out) { write($0, to: &$1) }
    case .object(let object):
      writeList(object.sortedMembers, "{", "}", to: &out) { member, out in
        out += string(member.key) + ":"
        write(member.value, to: &out)
      }
    }
  }

  private static func writeList<Element>(
    _ elements: [Element], _ open: String, _ close: String, to out: inout String,
    _ writeElement: (Element, inout String) -> Void
  ) {
    out += open
    for (index, element) in elements.enumerated() {
      if index > 0 { out += "," }
      writeElement(element, &out)
    }
    out += close
  }

  /// A string literal with no escape that JSON does not ask for, as Python's `json` and the reference
  /// implementation of safetensors have it too.
  public static func string(_ value: String) -> String {
    var out = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\u{8}": out += "\\b"
      case "\u{C}": out += "\\f"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case ..<" ":
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }

  /// `Number::toString` of ECMAScript: the shortest digits that read back as the same double,
  /// plain between 1e-6 and 1e21, with an exponent outside.
  public static func number(_ value: Double) -> String {
    precondition(value.isFinite, "JSON has no \(value)")
    guard value != 0 else { return "0" }
    let (digits, point) = shortestDigits(value.magnitude)
    return (value < 0 ? "-" : "") + layOut(digits, point: point)
  }

  /// Significant digits d₁d₂…, and the n for which the value is 0.d₁d₂… · 10ⁿ.
  private static func shortestDigits(_ magnitude: Double) -> (digits: String, point: Int) {
    let parts = "\(magnitude)".split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let all = mantissa.joined()
    let significant = all.drop { $0 == "0" }
    var digits = String(significant)
    while digits.hasSuffix("0") { digits.removeLast() }
    return (digits, mantissa[0].count - (all.count - significant.count) + exponent)
  }

  private static func layOut(_ digits: String, point: Int) -> String {
    let zeros = { (count: Int) in String(repeating: "0", count: count) }
    switch point {
    case digits.count...21 where digits.count <= 21: return digits + zeros(point - digits.count)
    case 1...21: return "\(digits.prefix(point)).\(digits.dropFirst(point))"
    case -5...0: return "0." + zeros(-point) + digits
    default:
      let exponent = point - 1
      let fraction = digits.count > 1 ? ".\(digits.dropFirst())" : ""
      return "\(digits.prefix(1))\(fraction)e\(exponent < 0 ? "-" : "+")\(exponent.magnitude)"
    }
  }
}
