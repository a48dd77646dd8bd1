import Experiments
import JSON

/// A JSON object of a spec whose unknown keys are refused.
struct SpecObject {
  let pointer: JSONPointer
  private let members: JSONObject

  init(_ value: JSONValue, at pointer: JSONPointer, allowed: [String]) throws(SpecError) {
    members = try Self.members(value, at: pointer)
    for key in members.keys where !allowed.contains(key) {
      throw SpecError(
        .unknownKey(key, nearest: nearestName(to: key, among: allowed), allowed: allowed),
        at: pointer.appending(key))
    }
    self.pointer = pointer
  }

  /// The members of an object whose keys are free, such as the axes of `where`.
  static func members(_ value: JSONValue, at pointer: JSONPointer) throws(SpecError) -> JSONObject {
    guard let members = value.objectValue else {
      throw SpecError(.wrongType(expected: "an object", found: value.kind), at: pointer)
    }
    return members
  }

  /// The elements of a list; null stands for an empty one.
  static func elements(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> [JSONValue] {
    if value.isNull { return [] }
    guard let elements = value.arrayValue else {
      throw SpecError(.wrongType(expected: "a list", found: value.kind), at: pointer)
    }
    return elements
  }

  /// What the elements of a list describe, each under a name of its own.
  static func named<Named>(
    _ list: JSONValue, at pointer: JSONPointer, by name: KeyPath<Named, String>,
    _ make: (JSONValue, JSONPointer) throws(SpecError) -> Named
  ) throws(SpecError) -> [Named] {
    var made: [Named] = []
    for (index, element) in try elements(list, at: pointer).enumerated() {
      let next = try make(element, pointer.appending(index))
      guard !made.contains(where: { $0[keyPath: name] == next[keyPath: name] }) else {
        throw SpecError(
          .invalid("The name \"\(next[keyPath: name])\" stands twice; rename one."),
          at: pointer.appending(index).appending("name"))
      }
      made.append(next)
    }
    return made
  }

  func has(_ key: String) -> Bool { value(key) != nil }

  /// nil for an absent member and for null.
  func value(_ key: String) -> JSONValue? {
    // A bare nil would be JSON null.
    members[key].flatMap { $0.isNull ? Optional.none : $0 }
  }

  /// A member that must be there; `remedy` says in the error what to write.
  func required(_ key: String, _ remedy: String) throws(SpecError) -> JSONValue {
    guard let value = value(key) else {
      throw SpecError(.missingKey(key, remedy: remedy), at: pointer)
    }
    return value
  }

  func string(_ key: String, _ remedy: String) throws(SpecError) -> String {
    try Self.string(try required(key, remedy), at: pointer.appending(key))
  }

  func optionalString(_ key: String) throws(SpecError) -> String? {
    guard let value = value(key) else { return nil }
    return try Self.string(value, at: pointer.appending(key))
  }

  /// A list of strings; one string stands for a list of one.
  func strings(_ key: String, _ remedy: String) throws(SpecError) -> [String] {
    try Self.strings(try required(key, remedy), at: pointer.appending(key))
  }

  func optionalStrings(_ key: String) throws(SpecError) -> [String]? {
    guard let value = value(key) else { return nil }
    return try Self.strings(value, at: pointer.appending(key))
  }

  func optionalBool(_ key: String) throws(SpecError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard let flag = value.boolValue else {
      throw SpecError(
        .wrongType(expected: "true or false", found: value.kind), at: pointer.appending(key))
    }
    return flag
  }

  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(SpecError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let integer = value.intValue, range.contains(integer) else {
      throw SpecError(
        .outOfRange(
          found: CanonicalJSON.text(value),
          allowed: "an integer in \(range.lowerBound)...\(range.upperBound)"),
        at: pointer.appending(key))
    }
    return integer
  }

  /// A number strictly between 0 and 1.
  func optionalShare(_ key: String) throws(SpecError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.doubleValue, number > 0, number < 1 else {
      throw SpecError(
        .outOfRange(found: CanonicalJSON.text(value), allowed: "a number between 0 and 1"),
        at: pointer.appending(key))
    }
    return number
  }

  /// One of a few names.
  func optionalChoice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, of type: Choice.Type
  ) throws(SpecError) -> Choice? where Choice.RawValue == String {
    guard let name = try optionalString(key) else { return nil }
    try Self.check(name, among: type.allCases.map(\.rawValue), at: pointer.appending(key))
    return type.init(rawValue: name)
  }

  static func strings(_ value: JSONValue, at pointer: JSONPointer) throws(SpecError) -> [String] {
    guard let elements = value.arrayValue else { return [try string(value, at: pointer)] }
    guard !elements.isEmpty else {
      throw SpecError(.invalid("The list is empty; name at least one."), at: pointer)
    }
    var strings: [String] = []
    for (index, element) in elements.enumerated() {
      strings.append(try string(element, at: pointer.appending(index)))
    }
    return strings
  }

  private static func string(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> String {
    guard let text = value.stringValue else {
      throw SpecError(.wrongType(expected: "a string", found: value.kind), at: pointer)
    }
    return text
  }
}

extension SpecObject {
  /// A string that can be part of a file name everywhere.
  func fileName(_ key: String) throws(SpecError) -> String {
    let name = try string(key, "it names the output.")
    let allowed = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard allowed, !name.isEmpty else {
      throw SpecError(
        .invalid("\"\(name)\" cannot name a file; use letters, digits, \"-\" or \"_\"."),
        at: pointer.appending(key))
    }
    return name
  }

  /// Refuses a name that is not among `known`.
  static func check(
    _ name: String, among known: [String], at pointer: JSONPointer
  ) throws(SpecError) {
    guard known.contains(name) else {
      throw SpecError(
        .notAChoice(name, nearest: nearestName(to: name, among: known), allowed: known),
        at: pointer)
    }
  }
}
