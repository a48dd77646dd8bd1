import Foundation
import JSON

/// The keys of a `config.json`, read one by one with a check of each value.
struct ConfigurationKeys {
  /// Larger sizes are no model's; products of two of them do not overflow.
  private static let largestSize = 1 << 31

  private let file: String
  private let root: JSONValue

  init(_ url: URL) throws(ConfigurationError) {
    file = url.path
    do {
      root = try JSONParser.parse(Data(contentsOf: url), admitting: .roundedIntegers)
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

  func positive(_ key: String) throws(ConfigurationError) -> Int {
    guard let value = try present(key).intValue, 1...Self.largestSize ~= value else {
      throw invalid(key, expected: "an integer from 1 to \(Self.largestSize)")
    }
    return value
  }

  func positiveOrNull(_ key: String) throws(ConfigurationError) -> Int? {
    root.member(key) == .null ? nil : try positive(key)
  }

  func positiveNumber(_ key: String) throws(ConfigurationError) -> Double {
    try positiveNumber(key, found: present(key))
  }

  /// False if the key is absent, as in `transformers`.
  func flag(_ key: String) throws(ConfigurationError) -> Bool {
    guard root.member(key) != .null else { return false }
    guard let value = root.member(key).boolValue else {
      throw invalid(key, expected: "true or false")
    }
    return value
  }

  /// One token, a list of tokens, or none.
  func tokens(_ key: String, below limit: Int) throws(ConfigurationError) -> [Int] {
    guard root.member(key) != .null else { return [] }
    let ids = (root.member(key).arrayValue ?? [root.member(key)]).map { $0.intValue ?? -1 }
    guard ids.allSatisfy({ 0..<limit ~= $0 }) else {
      throw invalid(key, expected: "token ids below vocab_size \(limit)")
    }
    return ids
  }

  func headDimension(hiddenSize: Int, heads: Int) throws(ConfigurationError) -> Int {
    let stated = try positiveOrNull("head_dim")
    guard stated != nil || hiddenSize.isMultiple(of: heads) else {
      throw invalid(
        "num_attention_heads", expected: "a divisor of hidden_size \(hiddenSize), or head_dim")
    }
    let dimension = stated ?? hiddenSize / heads
    guard dimension.isMultiple(of: 2) else {
      throw invalid(
        "head_dim", expected: "an even number", found: "\(dimension)")
    }
    return dimension
  }

  /// `rope_theta` stands at the top level, or in `rope_parameters` since transformers 5.
  func ropeTheta() throws(ConfigurationError) -> Double {
    guard root.member("rope_scaling") == .null else {
      throw invalid("rope_scaling", expected: "null (scaled rotary embeddings are not supported)")
    }
    let parameters = root.member("rope_parameters")
    guard parameters != .null else { return try positiveNumber("rope_theta") }
    let type = parameters.member("rope_type")
    guard type == .null || type == .string("default") else {
      throw invalid(
        "rope_parameters.rope_type", expected: "\"default\"", found: PrettyJSON.line(type))
    }
    guard parameters.member("rope_theta") != .null else {
      throw .missingKey(file: file, key: "rope_parameters.rope_theta")
    }
    return try positiveNumber("rope_parameters.rope_theta", found: parameters.member("rope_theta"))
  }

  func requireSilu() throws(ConfigurationError) {
    guard try present("hidden_act") == .string("silu") else {
      throw invalid("hidden_act", expected: "\"silu\"")
    }
  }

  func invalid(_ key: String, expected: String, found: String? = nil) -> ConfigurationError {
    .invalidValue(
      file: file, key: key, expected: expected, found: found ?? PrettyJSON.line(root.member(key)))
  }

  private func present(_ key: String) throws(ConfigurationError) -> JSONValue {
    guard root.member(key) != .null else { throw .missingKey(file: file, key: key) }
    return root.member(key)
  }

  private func positiveNumber(
    _ key: String, found: JSONValue
  ) throws(ConfigurationError) -> Double {
    guard let value = found.doubleValue, value > 0, value.isFinite else {
      throw invalid(key, expected: "a positive number", found: PrettyJSON.line(found))
    }
    return value
  }
}
