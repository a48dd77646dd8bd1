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
  /// Number of linear layers, for a ledger that counts these; 3 for a whole expert.
  public var linears: Int
  /// Weights of a row that share a scale; nil if not known, or if they are a whole row.
  public var groupSize: Int?
  /// Bits in EXL2's layout, from ``EXL2Size``; nil if not known.
  public var exl2Bits: Double?

  public init(
    name: String, part: ModelPart, weights: Int, codeBits: Double, metadataBits: Double,
    linears: Int = 1, groupSize: Int? = nil, exl2Bits: Double? = nil
  ) {
    self.name = name
    self.part = part
    self.weights = weights
    self.codeBits = codeBits
    self.metadataBits = metadataBits
    self.linears = linears
    self.groupSize = groupSize
    self.exl2Bits = exl2Bits
  }
}

/// Tensors of a model that no plan decides about: router, embeddings, head, norms.
public struct UnquantizedTensors: Sendable, Equatable {
  /// Number of weights.
  public var weights: Int
  /// Bits of all of them as stored.
  public var bits: Double

  public init(weights: Int, bits: Double) {
    self.weights = weights
    self.bits = bits
  }
}
