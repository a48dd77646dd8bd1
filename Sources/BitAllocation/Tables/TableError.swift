/// Why a sensitivity table or plan cannot be used.
public enum TableError: Error, Equatable {
  case notJSON(String)
  case wrongFormat(got: String, expected: String)
  /// `path` is a JSON pointer.
  case unknownKey(String, path: String, nearest: String?, allowed: [String])
  case missingKey(String, path: String)
  case wrongType(path: String, expected: String)
  case duplicateUnit(String)
  case noWeights(unit: String, weights: Int)
  /// The units up to this one have more weights than can be counted.
  case tooManyWeights(unit: String, weights: Int)
  case noLevels(unit: String)
  case badGroupSize(unit: String, size: Int)
  case duplicateLevel(unit: String, bits: Double)
  case unorderedLevels(unit: String, bits: Double, next: Double)
  case badNumber(unit: String, bits: Double, quantity: String, value: Double)
  case wrongScoreCount(score: String, values: Int, units: Int)
  case badScore(score: String, unit: String, value: Double)
  case unknownUnit(String, nearest: String?)
  case unitWithoutPlan(String)
  case badNeuronBlocks(String)
  case otherUnits(first: String, second: String)
}

extension TableError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notJSON(let reason):
      "Not JSON: \(reason)" + (reason.hasSuffix(".") ? "" : ".")
    case .wrongFormat(let got, let expected):
      "Format is \(got), expected \(expected)."
    case .unknownKey(let key, let path, let nearest, let allowed):
      "Unknown key \"\(key)\" at \(path.isEmpty ? "/" : path)."
        + (nearest.map { " Did you mean \"\($0)\"?" } ?? "")
        + " Allowed: \(allowed.joined(separator: ", "))."
    case .missingKey(let key, let path):
      "Key \"\(key)\" is missing at \(path.isEmpty ? "/" : path); add it."
    case .wrongType(let path, let expected):
      "Value at \(path) must be \(expected)."
    case .duplicateUnit(let id):
      "Unit \(id) is listed twice; ids must be unique."
    case .noWeights(let unit, let weights):
      "Unit \(unit) has \(weights) weights; there must be at least 1."
    case .tooManyWeights(let unit, let weights):
      "Unit \(unit) with \(weights) weights brings the sum above \(Int.max); correct its weights."
    case .noLevels(let unit):
      "Unit \(unit) has no levels; give it at least one."
    case .badGroupSize(let unit, let size):
      "Unit \(unit) has groups of \(size) weights; there must be at least 1."
    case .duplicateLevel(let unit, let bits):
      "Unit \(unit) has level \(number(bits)) twice; keep one."
    case .unorderedLevels(let unit, let bits, let next):
      "Unit \(unit) lists level \(number(bits)) before level \(number(next)), "
        + "which has fewer bits or code bits; sort the levels."
    case .badNumber(let unit, let bits, let quantity, let value):
      "Unit \(unit), level \(number(bits)): \(quantity) is \(number(value)); "
        + "it must be a finite number in range."
    case .wrongScoreCount(let score, let values, let units):
      "Score \(score) has \(values) values for \(units) units; give one per unit."
    case .badScore(let score, let unit, let value):
      "Score \(score) of unit \(unit) is \(number(value)); it must be finite."
    case .unknownUnit(let id, let nearest):
      "Unit \(id) is not in the table." + (nearest.map { " Did you mean \($0)?" } ?? "")
    case .unitWithoutPlan(let id):
      "Unit \(id) has no level in the plan; add it."
    case .otherUnits(let first, let second):
      "Tables of other units cannot be summed: \(first) stands against \(second); measure the same "
        + "model at the same granularity and levels."
    case .badNeuronBlocks(let reason):
      "neuronBlocks: \(reason)"
    }
  }
}

/// Shortest decimal form, without a trailing `.0`.
func number(_ value: Double) -> String {
  let text = "\(value)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
