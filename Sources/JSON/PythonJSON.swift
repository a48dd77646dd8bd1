import Foundation

/// JSON as Python's `json.dumps(value, ensure_ascii=False)` writes it, byte for byte but for floats
/// that are whole numbers: hashes of other people's programs are made over such texts.
public enum PythonJSON {
  /// The text of a value.
  ///
  /// - Parameters:
  ///   - value: Any value; keys keep their order.
  ///   - indent: Spaces a level; nil writes one line.
  /// - Returns: Without a line's end behind it.
  public static func text(_ value: JSONValue, indent: Int? = nil) -> String {
    var text = ""
    write(value, indent: indent, depth: 0, to: &text)
    return text
  }

  private static func write(
    _ value: JSONValue, indent: Int?, depth: Int, to text: inout String
  ) {
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let value): text += number(value)
    case .string(let value): text += CanonicalJSON.string(value)
    case .array(let values):
      write(values, in: ("[", "]"), indent: indent, depth: depth, to: &text) { value, text in
        write(value, indent: indent, depth: depth + 1, to: &text)
      }
    case .object(let object):
      write(object.members, in: ("{", "}"), indent: indent, depth: depth, to: &text) {
        member, text in
        text += CanonicalJSON.string(member.key) + ": "
        write(member.value, indent: indent, depth: depth + 1, to: &text)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], in brackets: (String, String), indent: Int?, depth: Int,
    to text: inout String, _ body: (Element, inout String) -> Void
  ) {
    text += brackets.0
    for (index, element) in elements.enumerated() {
      if index > 0 { text += indent == nil ? ", " : "," }
      if let indent { text += "\n" + String(repeating: " ", count: indent * (depth + 1)) }
      body(element, &text)
    }
    if let indent, !elements.isEmpty {
      text += "\n" + String(repeating: " ", count: indent * depth)
    }
    text += brackets.1
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "Infinity" : "-Infinity" }
    if let whole = Int(exactly: value), abs(value) < 1e15 { return "\(whole)" }
    return "\(value)"
  }
}
