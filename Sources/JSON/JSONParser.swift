import Foundation

/// Strict JSON (RFC 8259): no comments, no trailing commas, no duplicate keys, no NaN, at most
/// ``depthLimit`` levels. Never traps, whatever the bytes. One pass over UTF-8.
public struct JSONParser {
  public static let depthLimit = 128

  /// What the writers of foreign files take the liberty to write.
  public struct Liberties: OptionSet, Sendable {
    /// `NaN`, `Infinity` and `-Infinity`, as Python's `json` module writes them.
    public static let nonFiniteNumbers = Liberties(rawValue: 1)
    /// Integers beyond 2⁵³, rounded to the nearest double.
    public static let roundedIntegers = Liberties(rawValue: 2)

    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }
  }

  private let bytes: [UInt8]
  private let liberties: Liberties
  private var position = 0
  private var depth = 0

  private init(_ bytes: [UInt8], _ liberties: Liberties) {
    self.bytes = bytes
    self.liberties = liberties
  }

  public static func parse(
    _ data: Data, admitting liberties: Liberties = []
  ) throws(JSONSyntaxError) -> JSONValue {
    var parser = JSONParser([UInt8](data), liberties)
    return try parser.document()
  }

  public static func parse(_ text: String) throws(JSONSyntaxError) -> JSONValue {
    var parser = JSONParser([UInt8](text.utf8), [])
    return try parser.document()
  }

  private mutating func document() throws(JSONSyntaxError) -> JSONValue {
    let value = try self.value()
    skipSpace()
    guard position == bytes.count else { throw unexpected("the end of the text") }
    return value
  }

  private mutating func value() throws(JSONSyntaxError) -> JSONValue {
    skipSpace()
    switch peek {
    case UInt8(ascii: "{"):
      return try nested { parser throws(JSONSyntaxError) in try parser.object() }
    case UInt8(ascii: "["):
      return try nested { parser throws(JSONSyntaxError) in try parser.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(JSONSyntaxError) -> JSONValue
  ) throws(JSONSyntaxError) -> JSONValue {
    depth += 1
    guard depth <= Self.depthLimit else { throw error(.tooDeep(limit: Self.depthLimit)) }
    position += 1
    let value = try body(&self)
    depth -= 1
    return value
  }

  private mutating func object() throws(JSONSyntaxError) -> JSONValue {
    var object = JSONObject()
    skipSpace()
    if take("}") { return .object(object) }
    repeat {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
      let start = position
      let key = try string()
      guard object[key] == nil else { throw error(.duplicateKey(key), at: start) }
      skipSpace()
      guard take(":") else { throw unexpected("\":\"") }
      object[key] = try value()
      skipSpace()
    } while take(",")
    guard take("}") else { throw unexpected("\",\" or \"}\"") }
    return .object(object)
  }

  private mutating func array() throws(JSONSyntaxError) -> JSONValue {
    var elements: [JSONValue] = []
    skipSpace()
    if take("]") { return .array(elements) }
    repeat {
      elements.append(try value())
      skipSpace()
    } while take(",")
    guard take("]") else { throw unexpected("\",\" or \"]\"") }
    return .array(elements)
  }

  private mutating func word(
    _ word: String, _ value: JSONValue
  ) throws(JSONSyntaxError) -> JSONValue {
    guard bytes[position...].starts(with: word.utf8) else { throw unexpected("a value") }
    position += word.utf8.count
    return value
  }
}

// MARK: - Numbers

extension JSONParser {
  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    var isInteger = true
    while let byte = peek, Self.isNumberCharacter(byte) {
      if byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e") { isInteger = false }
      position += 1
    }
    let digits = bytes[start..<position]
    guard !digits.isEmpty else { throw unexpected("a value") }
    if let value = Self.shortInteger(digits) { return .number(value) }
    let text = String(decoding: digits, as: UTF8.self)
    if liberties.contains(.nonFiniteNumbers), let value = Self.nonFinite[text] {
      return .number(value)
    }
    guard Self.isNumber(digits), let value = Double(text) else {
      throw error(.invalidNumber(text), at: start)
    }
    // From 2⁵³ on an integer stands for a double where it is how that double is written.
    let isExact =
      !isInteger || value.magnitude < 9_007_199_254_740_992
      || value.isFinite && CanonicalJSON.number(value) == text
    guard value.isFinite, isExact || liberties.contains(.roundedIntegers) else {
      throw error(.numberTooLarge(text), at: start)
    }
    return .number(value)
  }

  private static let nonFinite = [
    "NaN": Double.nan, "Infinity": Double.infinity, "-Infinity": -Double.infinity,
  ]

  /// The value of at most 15 digits without sign or leading zero, the most frequent numbers; else
  /// nil.
  private static func shortInteger(_ digits: ArraySlice<UInt8>) -> Double? {
    guard digits.count <= 15, digits.first != UInt8(ascii: "0") || digits.count == 1 else {
      return nil
    }
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return Double(value)
  }

  /// Also the letters of NaN and Infinity, so that an error shows the whole word.
  private static func isNumberCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
      UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "I"),
      UInt8(ascii: "N"), UInt8(ascii: "a"), UInt8(ascii: "n"), UInt8(ascii: "f"),
      UInt8(ascii: "i"), UInt8(ascii: "t"), UInt8(ascii: "y"):
      true
    default: false
    }
  }

  /// Whether the bytes match `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
  private static func isNumber(_ text: ArraySlice<UInt8>) -> Bool {
    var rest = text
    func digits(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
      let run = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      rest = rest.dropFirst(run.count)
      return run
    }
    if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
    let whole = digits(&rest)
    if whole.isEmpty || (whole.count > 1 && whole.first == UInt8(ascii: "0")) { return false }
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      if digits(&rest).isEmpty { return false }
    }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest.removeFirst()
      if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest.removeFirst() }
      if digits(&rest).isEmpty { return false }
    }
    return rest.isEmpty
  }
}

// MARK: - Strings

extension JSONParser {
  private mutating func string() throws(JSONSyntaxError) -> String {
    let start = position
    position += 1
    skipPlainCharacters()
    // Most strings hold no escape: their bytes are taken as they stand.
    if peek == UInt8(ascii: "\"") {
      position += 1
      return try text(bytes[start + 1..<position - 1], of: start)
    }
    var content = Array(bytes[start + 1..<position])
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return try text(content[...], of: start)
      case UInt8(ascii: "\\"):
        content.append(contentsOf: try escape())
      case ..<0x20:
        throw error(.controlCharacter(byte))
      default:
        let run = position
        skipPlainCharacters()
        content.append(contentsOf: bytes[run..<position])
      }
    }
    throw unexpected("the closing quote of a string")
  }

  private mutating func skipPlainCharacters() {
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { return }
      position += 1
    }
  }

  private func text(
    _ content: ArraySlice<UInt8>, of start: Int
  ) throws(JSONSyntaxError) -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw error(.invalidUTF8, at: start)
    }
    return text
  }

  private mutating func escape() throws(JSONSyntaxError) -> String.UTF8View {
    let start = position
    position += 1
    guard let letter = peek else { throw unexpected("an escape") }
    position += 1
    if let plain = Self.plainEscape(letter) { return plain.utf8 }
    guard letter == UInt8(ascii: "u"), let unit = hexUnit() else {
      throw error(.invalidEscape(text(from: start)), at: start)
    }
    guard (0xD800..<0xE000).contains(unit) else { return Self.utf8(UInt32(unit)) }
    guard unit < 0xDC00, take("\\"), take("u"), let low = hexUnit(),
      (0xDC00..<0xE000).contains(low)
    else { throw error(.invalidEscape(text(from: start)), at: start) }
    return Self.utf8(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00))
  }

  private static func plainEscape(_ letter: UInt8) -> String? {
    switch letter {
    case UInt8(ascii: "\""): "\""
    case UInt8(ascii: "\\"): "\\"
    case UInt8(ascii: "/"): "/"
    case UInt8(ascii: "b"): "\u{8}"
    case UInt8(ascii: "f"): "\u{C}"
    case UInt8(ascii: "n"): "\n"
    case UInt8(ascii: "r"): "\r"
    case UInt8(ascii: "t"): "\t"
    default: nil
    }
  }

  private mutating func hexUnit() -> UInt16? {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit })
    else { return nil }
    position += 4
    return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
  }

  private static func utf8(_ scalar: UInt32) -> String.UTF8View {
    (UnicodeScalar(scalar).map { String($0) } ?? "").utf8
  }
}

// MARK: - Position

extension JSONParser {
  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private func text(from start: Int) -> String {
    String(decoding: bytes[start..<min(position, bytes.count)], as: UTF8.self)
  }

  private func unexpected(_ expected: String) -> JSONSyntaxError {
    guard peek != nil else {
      return error(.unexpected(found: "the end of the text", expected: expected))
    }
    let character = String(decoding: bytes[position...].prefix(4), as: UTF8.self).prefix(1)
    return error(.unexpected(found: "\"\(character)\"", expected: expected))
  }

  private func error(_ problem: JSONSyntaxError.Problem, at offset: Int? = nil) -> JSONSyntaxError {
    let before = bytes[..<(offset ?? position)]
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    return JSONSyntaxError(
      problem: problem,
      line: before.count { $0 == 0x0A } + 1,
      // Continuation bytes of UTF-8 do not start a character.
      column: before[lineStart...].count { $0 & 0xC0 != 0x80 } + 1)
  }
}
