import Foundation

/// A JSON object that knows where it stands, so that errors can say so.
struct StrictJSON {
  let path: String
  private let values: [String: JSONTree]

  /// Parses a text whose outermost value is an object.
  ///
  /// NaN and Infinity, as Python writes them, are read as numbers: the table refuses them by unit
  /// and level, which says more than a syntax error.
  static func object(_ data: Data) throws(TableError) -> StrictJSON {
    try StrictJSON(tree(data), path: "")
  }

  private static func tree(_ data: Data) throws(TableError) -> JSONTree {
    let decoder = JSONDecoder()
    do {
      return try decoder.decode(JSONTree.self, from: data)
    } catch {
      let text = String(decoding: data, as: UTF8.self)
      decoder.allowsJSON5 = true
      guard text.contains("NaN") || text.contains("Infinity"),
        let tree = try? decoder.decode(JSONTree.self, from: data)
      else { throw .notJSON(text.isEmpty ? "the file is empty" : "syntax error") }
      return tree
    }
  }

  private init(_ value: JSONTree, path: String) throws(TableError) {
    guard case .object(let values) = value else {
      throw .wrongType(path: path.isEmpty ? "/" : path, expected: "an object")
    }
    self.values = values
    self.path = path
  }

  /// Sorted.
  var keys: [String] { values.keys.sorted() }

  func refuseUnknownKeys(_ allowed: [String]) throws(TableError) {
    for key in keys where !allowed.contains(key) {
      throw .unknownKey(
        key, path: path, nearest: nearestName(to: key, among: allowed), allowed: allowed)
    }
  }

  func optionalString(_ key: String) throws(TableError) -> String? {
    try optional(key, "a string", \.string)
  }

  func optionalInteger(_ key: String) throws(TableError) -> Int? {
    try optional(key, "a whole number") { $0.number.flatMap { Int(exactly: $0) } }
  }

  func optionalNumber(_ key: String) throws(TableError) -> Double? {
    try optional(key, "a number", \.number)
  }

  func optionalObject(_ key: String) throws(TableError) -> StrictJSON? {
    guard let value = values[key], value != .null else { return nil }
    return try StrictJSON(value, path: "\(path)/\(key)")
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
      guard let elements = value.elements else { return nil }
      let numbers = elements.compactMap(\.number)
      return numbers.count == elements.count ? numbers : nil
    }
    return try required(key, list)
  }

  func objects(_ key: String) throws(TableError) -> [StrictJSON] {
    let list = try required(key, optional(key, "an array of objects", \.elements))
    var objects: [StrictJSON] = []
    for (index, element) in list.enumerated() {
      objects.append(try StrictJSON(element, path: "\(path)/\(key)/\(index)"))
    }
    return objects
  }

  private func required<Value>(_ key: String, _ value: Value?) throws(TableError) -> Value {
    guard let value else { throw .missingKey(key, path: path) }
    return value
  }

  private func optional<Value>(
    _ key: String, _ expected: String, _ convert: (JSONTree) -> Value?
  ) throws(TableError) -> Value? {
    guard let value = values[key], value != .null else { return nil }
    guard let converted = convert(value) else {
      throw .wrongType(path: "\(path)/\(key)", expected: expected)
    }
    return converted
  }
}

/// Any JSON value. Whole numbers are exact up to 2⁵³.
private enum JSONTree: Decodable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONTree].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONTree].self))
    }
  }

  var number: Double? {
    guard case .number(let value) = self else { return nil }
    return value
  }

  var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  var elements: [JSONTree]? {
    guard case .array(let value) = self else { return nil }
    return value
  }
}
