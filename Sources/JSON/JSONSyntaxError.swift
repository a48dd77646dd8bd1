/// Why a text is not JSON, and where. Lines and columns count from 1; columns are characters.
public struct JSONSyntaxError: Error, Equatable {
  public enum Problem: Equatable, Sendable {
    case unexpected(found: String, expected: String)
    case duplicateKey(String)
    case invalidNumber(String)
    case numberTooLarge(String)
    case invalidEscape(String)
    case controlCharacter(UInt8)
    case invalidUTF8
    case tooDeep(limit: Int)
  }

  public var problem: Problem
  public var line: Int
  public var column: Int
}

extension JSONSyntaxError: CustomStringConvertible {
  public var description: String { "line \(line), column \(column): \(sentence)" }

  private var sentence: String {
    switch problem {
    case .unexpected(let found, let expected): "Found \(found) where \(expected) should be."
    case .duplicateKey(let key): "The key \"\(key)\" stands twice in one object; remove one."
    case .invalidNumber(let text):
      "\"\(text)\" is not a JSON number; NaN, Infinity, leading zeros and a bare point are not allowed."
    case .numberTooLarge(let text):
      "\(text) cannot be held exactly; write integers up to 9007199254740992, or a string."
    case .invalidEscape(let text): "\"\(text)\" is not a valid escape in a string."
    case .controlCharacter(let byte):
      "A string holds the raw control character \(byte); write it as an escape such as \\n."
    case .invalidUTF8: "The text is not UTF-8; save the file as UTF-8."
    case .tooDeep(let limit): "More than \(limit) levels of nesting."
    }
  }
}
