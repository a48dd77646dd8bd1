/// Which part of a model a module belongs to.
public enum ModelPart: String, Sendable, Equatable, CaseIterable {
  case attention, expert
}

/// The bits one quantized module takes.
public struct QuantizedModule: Sendable, Equatable {
  public var name: String
  public var part: ModelPart
  /// Number of weights.
  public var weights: Int
  /// Bits of the codes of all weights.
  public var codeBits: Double
  /// Bits of scales, zero points, permutations, codebooks and sparse parts.
  public var metadataBits: Double

  public init(
    name: String, part: ModelPart, weights: Int, codeBits: Double, metadataBits: Double
  ) {
    self.name = name
    self.part = part
    self.weights = weights
    self.codeBits = codeBits
    self.metadataBits = metadataBits
  }
}

/// A named convention for counting bits (DECISIONS: Budgets; METHODS §2.15).
public enum Ledger: String, Sendable, CaseIterable {
  /// Code bits of experts per expert weight.
  case expertCodeBits = "expert-code-bits"
  /// Code bits of attention and experts per weight of both.
  case paperCodeBits = "paper-code-bits"
  /// Code and metadata bits of attention and experts per weight of both.
  case withMetadata = "with-metadata"
  /// Bytes of the written files, everything included.
  case trueBytes = "true-bytes"

  /// The value for these modules, or nil where the modules do not determine it.
  public func value(of modules: [QuantizedModule]) -> Double? {
    switch self {
    case .expertCodeBits: Self.mean(of: modules.filter { $0.part == .expert }) { $0.codeBits }
    case .paperCodeBits: Self.mean(of: modules) { $0.codeBits }
    case .withMetadata: Self.mean(of: modules) { $0.codeBits + $0.metadataBits }
    case .trueBytes: nil
    }
  }

  /// Every ledger that can be told, by name.
  ///
  /// - Parameters:
  ///   - modules: All quantized modules of the model.
  ///   - fileBytes: Bytes of the written files, if there are any.
  /// - Returns: Bits per weight; bytes for `true-bytes`.
  public static func values(
    of modules: [QuantizedModule], fileBytes: Int? = nil
  ) -> [String: Double] {
    var values: [String: Double] = [:]
    for ledger in allCases { values[ledger.rawValue] = ledger.value(of: modules) }
    values[trueBytes.rawValue] = fileBytes.map(Double.init)
    return values
  }

  private static func mean(
    of modules: [QuantizedModule], _ bits: (QuantizedModule) -> Double
  ) -> Double? {
    let weights = modules.reduce(0) { $0 + $1.weights }
    guard weights > 0 else { return nil }
    return modules.reduce(0) { $0 + bits($1) } / Double(weights)
  }
}
