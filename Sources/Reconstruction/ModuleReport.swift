public import Quantization

/// How one module was quantized; written to `modules.json`.
public struct ModuleReport: Codable, Sendable, Equatable {
  public typealias Fallback = RoundingFallback

  public var module: String
  /// Attention or the expert that it belongs to, such as `layers.0.experts.3`.
  public var unit: String?
  public var weights: Int
  /// Mean over the weights where neurons lie in slices of different bits.
  public var bits: Double
  public var codeBits: Int
  public var metadataBits: Int
  /// Weights of a row that share a scale; nil: a whole row.
  public var groupSize: Int?
  /// Bits and neurons of each slice; nil if there is one.
  public var slices: [SliceReport]?
  /// Tokens behind the Hessian; nil if the method reads none.
  public var calibrationTokens: Int?
  /// Input features; fewer tokens than these leave the Hessian singular before damping.
  public var inputFeatures: Int
  /// GPTQ's Σ (w − ŵ)² / U_ii² / 2, or nil.
  public var gptqLoss: Double?
  /// Relative damping that was used, and how often it had to be raised.
  public var damping: Double?
  public var dampingEscalations: Int?
  public var deadColumns: Int?
  public var fallback: Fallback?
}

/// A slice of an expert's neurons.
public struct SliceReport: Codable, Sendable, Equatable {
  public var bits: Int
  public var neurons: Int

  public init(bits: Int, neurons: Int) { (self.bits, self.neurons) = (bits, neurons) }
}
