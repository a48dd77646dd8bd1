import Experiments

/// A JSON object of a spec whose unknown keys are refused.
struct SpecObject {
  /// JSON pointer (RFC 6901) of the object.
  let pointer: String
  private let members: [String: JSONValue]

  init(_ value: JSONValue, at pointer: String, allowed: [String]) throws(ReportError) {
    let members = try Self.members(value, at: pointer)
    for key in members.keys.sorted() where !allowed.contains(key) {
      throw .unknownKey(
        pointer: Self.pointer(pointer, key), nearest: nearestName(to: key, among: allowed),
        allowed: allowed)
    }
    self.pointer = pointer
    self.members = members
  }

  /// The members of an object whose keys are free, such as the axes of `where`.
  static func members(
    _ value: JSONValue, at pointer: String
  ) throws(ReportError) -> [String: JSONValue] {
    guard case .object(let members) = value else {
      throw .wrongType(pointer: pointer, expected: "an object")
    }
    return members
  }

  /// The elements of an optional list: none for `null`.
  static func elements(
    _ value: JSONValue, at pointer: String
  ) throws(ReportError) -> [JSONValue] {
    switch value {
    case .array(let elements): return elements
    case .null: return []
    default: throw .wrongType(pointer: pointer, expected: "an array")
    }
  }

  static func pointer(_ base: String, _ key: String) -> String {
    let escaped = key.split(separator: "~", omittingEmptySubsequences: false)
      .joined(separator: "~0").split(separator: "/", omittingEmptySubsequences: false)
      .joined(separator: "~1")
    return "\(base)/\(escaped)"
  }

  func pointer(to key: String) -> String { Self.pointer(pointer, key) }

  func has(_ key: String) -> Bool { value(key) != nil }

  func value(_ key: String) -> JSONValue? {
    members[key].flatMap { $0 == .null ? nil : $0 }
  }

  func required(_ key: String) throws(ReportError) -> JSONValue {
    guard let value = value(key) else { throw .missingKey(pointer: pointer(to: key)) }
    return value
  }

  func string(_ key: String) throws(ReportError) -> String {
    try Self.string(try required(key), at: pointer(to: key))
  }

  func optionalString(_ key: String) throws(ReportError) -> String? {
    guard let value = value(key) else { return nil }
    return try Self.string(value, at: pointer(to: key))
  }

  /// A string that can be part of a file name everywhere.
  func fileName(_ key: String) throws(ReportError) -> String {
    let name = try string(key)
    let allowed = name.unicodeScalars.allSatisfy { scalar in
      scalar.isASCII
        && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
          || scalar == "-" || scalar == "_")
    }
    guard allowed, !name.isEmpty else {
      throw .wrongType(
        pointer: pointer(to: key), expected: "a name of ASCII letters, digits, - and _")
    }
    return name
  }

  /// A list of strings; one string stands for a list of one.
  func strings(_ key: String) throws(ReportError) -> [String] {
    try Self.strings(try required(key), at: pointer(to: key))
  }

  func optionalStrings(_ key: String) throws(ReportError) -> [String]? {
    guard let value = value(key) else { return nil }
    return try Self.strings(value, at: pointer(to: key))
  }

  func optionalBool(_ key: String) throws(ReportError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard case .bool(let flag) = value else {
      throw .wrongType(pointer: pointer(to: key), expected: "true or false")
    }
    return flag
  }

  /// An integer in `range`.
  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(ReportError) -> Int? {
    guard let value = value(key) else { return nil }
    guard case .number(let number) = value, let integer = Int(exactly: number),
      range.contains(integer)
    else {
      throw .wrongType(
        pointer: pointer(to: key),
        expected: "an integer in \(range.lowerBound)...\(range.upperBound)")
    }
    return integer
  }

  static func strings(_ value: JSONValue, at pointer: String) throws(ReportError) -> [String] {
    guard case .array(let elements) = value else { return [try string(value, at: pointer)] }
    var strings: [String] = []
    for (index, element) in elements.enumerated() {
      strings.append(try string(element, at: "\(pointer)/\(index)"))
    }
    return strings
  }

  private static func string(_ value: JSONValue, at pointer: String) throws(ReportError) -> String {
    guard case .string(let text) = value else {
      throw .wrongType(pointer: pointer, expected: "a string")
    }
    return text
  }
}
