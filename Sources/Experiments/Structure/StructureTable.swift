/// What a model loses when one part of it alone is quantized, beside what was predicted.
///
/// Numbers that are not known are NaN.
public struct StructureTable: Sendable, Equatable {
  public typealias Kind = StructureUnit.Kind

  /// A part of the model.
  public struct Row: Sendable, Equatable, Codable {
    public var id: String
    public var kind: Kind
    /// -1 for the whole model.
    public var layer: Int
    public var expert: Int?
    public var projection: String?
    public var decile: Int?
    public var weights: Int
  }

  /// Bits, rising.
  public let levels: [Double]
  public let rows: [Row]
  /// Tokens behind each window of ``divergences``.
  public let windowTokens: [Int]
  /// Mean KL(P_full ‖ P) in nats per token of a window, shape `[rows, levels, windows]`.
  public let divergences: [Double]
  /// Bits of codes, scales and the like of the part, shape `[rows, levels]`.
  public let storedBits: [Double]
  /// Predicted losses by name, shape `[rows, levels]`.
  public let predictions: [String: [Double]]
  /// Properties of parts by name, shape `[rows]`.
  public let features: [String: [Double]]

  /// - Throws: ``StructureError/wrongCount(_:found:expected:)``.
  public init(
    levels: [Double], rows: [Row], windowTokens: [Int], divergences: [Double],
    storedBits: [Double], predictions: [String: [Double]], features: [String: [Double]]
  ) throws(StructureError) {
    let cells = rows.count * levels.count
    func check(_ name: String, _ found: Int, _ expected: Int) throws(StructureError) {
      guard found == expected else {
        throw .wrongCount(name, found: found, expected: expected)
      }
    }
    try check("divergences", divergences.count, cells * windowTokens.count)
    try check("storedBits", storedBits.count, cells)
    for (name, values) in predictions.sorted(by: { $0.key < $1.key }) {
      try check("prediction \(name)", values.count, cells)
    }
    for (name, values) in features.sorted(by: { $0.key < $1.key }) {
      try check("feature \(name)", values.count, rows.count)
    }
    (self.levels, self.rows, self.windowTokens) = (levels, rows, windowTokens)
    (self.divergences, self.storedBits) = (divergences, storedBits)
    (self.predictions, self.features) = (predictions, features)
  }

  public var windows: Int { windowTokens.count }
  public var tokens: Int { windowTokens.reduce(0, +) }

  /// Nats per token of each window.
  public func windowDivergences(_ row: Int, level: Int) -> [Double] {
    let start = (row * levels.count + level) * windows
    return Array(divergences[start..<start + windows])
  }

  /// Nats per token over all windows.
  public func divergence(_ row: Int, level: Int) -> Double {
    let nats = zip(windowDivergences(row, level: level), windowTokens).reduce(0) {
      $0 + $1.0 * Double($1.1)
    }
    return nats / Double(max(tokens, 1))
  }

  public func bytes(_ row: Int, level: Int) -> Double {
    storedBits[row * levels.count + level] / 8
  }

  /// nil where it is not known.
  public func prediction(_ name: String, _ row: Int, level: Int) -> Double? {
    guard let value = predictions[name]?[row * levels.count + level], !value.isNaN else {
      return nil
    }
    return value
  }

  /// nil where it is not known.
  public func feature(_ name: String, _ row: Int) -> Double? {
    guard let value = features[name]?[row], !value.isNaN else { return nil }
    return value
  }

  /// Places of the parts of a kind.
  public func places(_ kind: Kind) -> [Int] { rows.indices.filter { rows[$0].kind == kind } }
}

/// Why a structure cannot be measured or read.
public enum StructureError: Error, Equatable, CustomStringConvertible {
  case wrongCount(String, found: Int, expected: Int)
  case notFinite(unit: String, bits: Double)
  case noCalibration
  case badLevels([Int])

  public var description: String {
    switch self {
    case .wrongCount(let name, let found, let expected):
      "The structure table has \(found) numbers of \(name) where \(expected) belong; measure again."
    case .notFinite(let unit, let bits):
      "The divergence of \(unit) at \(bits) bits is not finite; this part cannot be quantized so far."
    case .noCalibration:
      "Sensitivities and the ranks of neurons come from calibration statistics; give a calibration."
    case .badLevels(let levels):
      "Levels are whole bits from 1 to 8 that rise, got \(levels)."
    }
  }
}
