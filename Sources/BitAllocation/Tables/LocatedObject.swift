import Foundation
import JSON

/// A JSON object that knows where it stands, so that errors can say so.
struct LocatedObject {
  let pointer: JSONPointer
  private let object: JSONObject

  /// Parses a text whose outermost value is an object.
  ///
  /// NaN and Infinity, as Python writes them, are read as numbers: the table refuses them by unit
  /// and level, which says more than a syntax error.
  static func parse(_ data: Data) throws(TableError) -> LocatedObject {
    let value: JSONValue
    do {
      value = try JSONParser.parse(data, admitting: [.nonFiniteNumbers, .roundedIntegers])
    } catch {
      throw .notJSON(data.isEmpty ? "the file is empty" : "\(error)")
    }
    return try LocatedObject(value, at: JSONPointer())
  }

  private init(_ value: JSONValue, at pointer: JSONPointer) throws(TableError) {
    guard case .object(let object) = value else {
      throw .wrongType(
        path: pointer.tokens.isEmpty ? "/" : pointer.description, expected: "an object")
    }
    self.object = object
    self.pointer = pointer
  }

  /// Sorted.
  var keys: [String] { object.keys.sorted() }

  func refuseUnknownKeys(_ allowed: [String]) throws(TableError) {
    for key in keys where !allowed.contains(key) {
      throw .unknownKey(
        key, path: pointer.description, nearest: nearestName(to: key, among: allowed),
        allowed: allowed)
    }
  }

  /// As it stands; nil if absent or null.
  func optionalValue(_ key: String) -> JSONValue? {
    // A bare nil would be JSON null.
    object[key].flatMap { $0.isNull ? Optional.none : $0 }
  }

  func optionalString(_ key: String) throws(TableError) -> String? {
    try optional(key, "a string", \.stringValue)
  }

  func optionalInteger(_ key: String) throws(TableError) -> Int? {
    try optional(key, "a whole number", \.intValue)
  }

  func optionalBoolean(_ key: String) throws(TableError) -> Bool? {
    try optional(key, "true or false", \.boolValue)
  }

  func optionalNumber(_ key: String) throws(TableError) -> Double? {
    try optional(key, "a number", \.doubleValue)
  }

  func optionalObject(_ key: String) throws(TableError) -> LocatedObject? {
    guard let value = object[key], !value.isNull else { return nil }
    return try LocatedObject(value, at: pointer.appending(key))
  }

  func string(_ key: String) throws(TableError) -> String {
    try required(key, optionalString(key))
  }

  func integer(_ key: String) throws(TableError) -> Int {
    try required(key, optionalInteger(key))
  }

  func number(_ key: String) throws(TableError) -> Double {
    try required(key, optionalNumber(key))
  }

  func numbers(_ key: String) throws(TableError) -> [Double] {
    let list = try optional(key, "an array of numbers") { value -> [Double]? in
      guard let elements = value.arrayValue else { return nil }
      let numbers = elements.compactMap(\.doubleValue)
      return numbers.count == elements.count ? numbers : nil
    }
    return try required(key, list)
  }

  func objects(_ key: String) throws(TableError) -> [LocatedObject] {
    let list = try required(key, optional(key, "an array of objects", \.arrayValue))
    var objects: [LocatedObject] = []
    for (index, element) in list.enumerated() {
      objects.append(try LocatedObject(element, at: pointer.appending(key).appending(index)))
    }
    return objects
  }

  private func required<Value>(_ key: String, _ value: Value?) throws(TableError) -> Value {
    guard let value else { throw .missingKey(key, path: pointer.description) }
    return value
  }

  private func optional<Value>(
    _ key: String, _ expected: String, _ convert: (JSONValue) -> Value?
  ) throws(TableError) -> Value? {
    guard let value = object[key], !value.isNull else { return nil }
    guard let converted = convert(value) else {
      throw .wrongType(path: pointer.appending(key).description, expected: expected)
    }
    return converted
  }
}
