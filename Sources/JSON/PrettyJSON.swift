import Foundation

/// JSON for people and for files in git: two spaces, sorted keys, one trailing newline.
///
/// Equal values give equal bytes; short arrays of scalars stay on one line.
public enum PrettyJSON {
  /// The text; `sortingKeys: false` keeps the order in which keys were written.
  public static func text(_ value: JSONValue, sortingKeys: Bool = true) -> String {
    render(value, indent: "", sortingKeys: sortingKeys) + "\n"
  }

  public static func data(_ value: JSONValue) -> Data { Data(text(value).utf8) }

  /// The text on one line, for sentences.
  public static func line(_ value: JSONValue) -> String {
    switch value {
    case .array(let elements): "[" + elements.map(line).joined(separator: ", ") + "]"
    case .object(let object):
      "{"
        + object.sortedMembers.map { CanonicalJSON.string($0.key) + ": " + line($0.value) }
        .joined(separator: ", ") + "}"
    default: CanonicalJSON.text(value)
    }
  }

  private static func render(_ value: JSONValue, indent: String, sortingKeys: Bool) -> String {
    let deeper = indent + "  "
    switch value {
    case .array(let elements) where !elements.isEmpty && !elements.allSatisfy(isScalar):
      let lines = elements.map { deeper + render($0, indent: deeper, sortingKeys: sortingKeys) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(indent)]"
    case .array(let elements):
      return line(.array(elements))
    case .object(let object) where !object.isEmpty:
      let lines = (sortingKeys ? object.sortedMembers : object.members).map { member in
        deeper + CanonicalJSON.string(member.key) + ": "
          + render(member.value, indent: deeper, sortingKeys: sortingKeys)
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
    default:
      return CanonicalJSON.text(value)
    }
  }

  private static func isScalar(_ value: JSONValue) -> Bool {
    value.arrayValue == nil && value.objectValue == nil
  }
}
