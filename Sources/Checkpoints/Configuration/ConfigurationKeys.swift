import Foundation
import JSON

/// The keys of a `config.json`, read one by one with a check of each value.
///
/// A key may be a path into objects, as `rope_scaling.factor`.
struct ConfigurationKeys {
  /// Larger widths are no model's; products of them, and tables as long, stay possible.
  static let largestSize = 1 << 24
  static let largestPosition = 1 << 31
  /// Of layers, experts, heads and channels of a head.
  static let largestCount = 1 << 16
  /// Of experts in all layers, which are listed: an absurd number would hang.
  static let largestExpertTotal = 1 << 18

  private let file: String
  private let root: JSONValue

  init(_ url: URL) throws(ConfigurationError) {
    file = url.path
    do {
      root = try JSONParser.parse(WholeFile.contents(of: url), admitting: .roundedIntegers)
    } catch {
      throw .unreadable(file: url.path, reason: "\(error)")
    }
    guard root.objectValue != nil else {
      throw .unreadable(file: file, reason: "expected a JSON object")
    }
  }

  func architecture() throws(ConfigurationError) -> ModelConfiguration.Architecture {
    let name = try present("model_type")
    guard let text = name.stringValue, let known = ModelConfiguration.Architecture(rawValue: text)
    else {
      throw .unsupportedArchitecture(file: file, found: name.stringValue ?? PrettyJSON.line(name))
    }
    return known
  }

  func has(_ key: String) -> Bool { value(key) != .null }

  func positive(
    _ key: String, atMost limit: Int = largestSize
  ) throws(ConfigurationError) -> Int {
    guard let value = try present(key).intValue, 1...limit ~= value else {
      throw invalid(key, expected: "an integer from 1 to \(limit)")
    }
    return value
  }

  /// A number that versions of `transformers` write under different names.
  ///
  /// - Parameters:
  ///   - aliases: The names; the first is the one that is missed if there is none.
  ///   - limit: The largest value.
  /// - Returns: The first name that is there, and its value.
  /// - Throws: ``ConfigurationError``, also if two of the names have different values.
  func positive(
    anyOf aliases: [String], atMost limit: Int
  ) throws(ConfigurationError) -> (key: String, value: Int) {
    let present = aliases.filter(has)
    let key = present.first ?? aliases[0]
    let value = try positive(key, atMost: limit)
    for other in present.dropFirst() where self.value(other).intValue != value {
      throw invalid(other, expected: "\(value) as \(key) has it, or only one of the two keys")
    }
    return (key, value)
  }

  func positiveOrNull(
    _ key: String, atMost limit: Int = largestSize
  ) throws(ConfigurationError) -> Int? {
    has(key) ? try positive(key, atMost: limit) : nil
  }

  /// nil if absent or 0.
  func countOrNull(_ key: String) throws(ConfigurationError) -> Int? {
    guard has(key), value(key).intValue != 0 else { return nil }
    return try positive(key, atMost: Self.largestCount)
  }

  func positiveNumber(_ key: String) throws(ConfigurationError) -> Double {
    guard let value = try present(key).doubleValue, value > 0, value.isFinite else {
      throw invalid(key, expected: "a positive number")
    }
    return value
  }

  func positiveNumberOrNull(_ key: String) throws(ConfigurationError) -> Double? {
    has(key) ? try positiveNumber(key) : nil
  }

  /// `default` if the key is absent or null, as in `transformers`.
  func flag(_ key: String, default absent: Bool = false) throws(ConfigurationError) -> Bool {
    guard has(key) else { return absent }
    guard let value = value(key).boolValue else {
      throw invalid(key, expected: "true or false")
    }
    return value
  }

  func text(_ key: String) throws(ConfigurationError) -> String? {
    guard has(key) else { return nil }
    guard let text = value(key).stringValue else { throw invalid(key, expected: "a string") }
    return text
  }

  /// Throws unless the key is absent or has this value.
  func requireText(_ key: String, _ expected: String) throws(ConfigurationError) {
    guard try text(key) ?? expected == expected else {
      throw invalid(key, expected: "\"\(expected)\"")
    }
  }

  /// A list of indices; empty if absent.
  func indices(_ key: String) throws(ConfigurationError) -> [Int] {
    guard has(key) else { return [] }
    let found = value(key).arrayValue?.map { $0.intValue ?? -1 } ?? [-1]
    guard found.allSatisfy({ 0...Self.largestSize ~= $0 }) else {
      throw invalid(key, expected: "a list of layer numbers")
    }
    return found
  }

  /// One token, a list of tokens, or none.
  func tokens(_ key: String, below limit: Int? = nil) throws(ConfigurationError) -> [Int] {
    guard has(key) else { return [] }
    let ids = (value(key).arrayValue ?? [value(key)]).map { $0.intValue ?? -1 }
    guard ids.allSatisfy({ 0..<(limit ?? .max) ~= $0 }) else {
      throw invalid(key, expected: "token ids" + (limit.map { " below vocab_size \($0)" } ?? ""))
    }
    return ids
  }

  func headDimension(hiddenSize: Int, heads: Int) throws(ConfigurationError) -> Int {
    let stated = try positiveOrNull("head_dim", atMost: Self.largestCount)
    guard stated != nil || hiddenSize.isMultiple(of: heads) else {
      throw invalid(
        "num_attention_heads", expected: "a divisor of hidden_size \(hiddenSize), or head_dim")
    }
    let dimension = stated ?? hiddenSize / heads
    guard dimension.isMultiple(of: 2) else {
      throw invalid("head_dim", expected: "an even number", found: "\(dimension)")
    }
    return dimension
  }

  func requireSilu() throws(ConfigurationError) {
    guard try present("hidden_act") == .string("silu") else {
      throw invalid("hidden_act", expected: "\"silu\"")
    }
  }

  func invalid(_ key: String, expected: String, found: String? = nil) -> ConfigurationError {
    .invalidValue(
      file: file, key: key, expected: expected, found: found ?? PrettyJSON.line(value(key)))
  }

  private func value(_ key: String) -> JSONValue {
    key.split(separator: ".").reduce(root) { $0.member(String($1)) }
  }

  private func present(_ key: String) throws(ConfigurationError) -> JSONValue {
    guard has(key) else { throw .missingKey(file: file, key: key) }
    return value(key)
  }
}
