import Experiments
import JSON

/// JSON as words: `context = 256, text.digest = 3f2a91c04d7e…`.
enum ParameterText {
  /// The leaves of a value, sorted by path.
  static func leaves(_ value: JSONValue, path: String = "") -> [String] {
    switch value {
    case .object(let members):
      return members.sortedMembers.flatMap { key, member in
        leaves(member, path: path.isEmpty ? key : "\(path).\(key)")
      }
    default:
      return [path.isEmpty ? scalar(value) : "\(path) = \(scalar(value))"]
    }
  }

  /// A leaf or a list in words; digests are cut to twelve digits.
  static func scalar(_ value: JSONValue) -> String {
    switch value {
    case .null: "none"
    case .bool(let flag): flag ? "yes" : "no"
    case .number(let number): Self.number(number)
    case .string(let text): shortened(text)
    case .array(let elements): elements.map(scalar).joined(separator: ", ")
    case .object: leaves(value).joined(separator: ", ")
    }
  }

  private static func number(_ number: Double) -> String {
    guard let integer = Int(exactly: number) else { return "\(number)" }
    return abs(integer) < 10_000 ? "\(integer)" : DecimalText.grouped(integer)
  }

  private static func shortened(_ text: String) -> String {
    let isDigest = text.count >= 32 && text.allSatisfy(\.isHexDigit)
    // A line's end in a template would end a line of the list.
    return isDigest
      ? "\(text.prefix(12))…" : text.replacing("\n", with: "\\n").replacing("\t", with: "\\t")
  }
}
