/// A weight matrix on affine grids whose groups lie along the outputs: packed as its transpose.
///
/// Each input channel has one (s, z) for each group of outputs. Codes of an input channel lie side by
/// side, so a product adds up scaled channels: y = Σ_i x_i ŵ_i.
public struct TransposedPackedMatrix: QuantizedMatrix {
  /// Wᵀ, shape `[inputs, outputs]`.
  public let transposed: PackedMatrix

  public init(transposed: PackedMatrix) { self.transposed = transposed }

  /// Outputs.
  public var rows: Int { transposed.columns }
  /// Inputs.
  public var columns: Int { transposed.rows }
  public var codeBits: Int { transposed.codeBits }
  /// inputs · ⌈outputs / groupSize⌉ · (16, and `bits` more if asymmetric).
  public var metadataBits: Int { transposed.metadataBits }
  public func dequantized() -> Matrix { transposed.dequantized().transposed }
}
