/// A quantized matrix plus the weights that it could not hold: W = dense + sparse.
///
/// The parts are added, so a product is the sum of a dense and a sparse one. Where the dense part
/// has no code for zero, an element is the weight minus what the dense part holds at its place.
public struct DenseAndSparse<Dense: QuantizedMatrix>: QuantizedMatrix {
  public let dense: Dense
  public let sparse: SparseMatrix

  public init(dense: Dense, sparse: SparseMatrix) {
    precondition(
      dense.rows == sparse.rows && dense.columns == sparse.columns,
      "[\(dense.rows), \(dense.columns)] and [\(sparse.rows), \(sparse.columns)]")
    (self.dense, self.sparse) = (dense, sparse)
  }

  public var rows: Int { dense.rows }
  public var columns: Int { dense.columns }

  /// Codes of the dense part; it has one at every place.
  public var codeBits: Int { dense.codeBits }

  /// What the dense part stores beside its codes, and all of the sparse part.
  public var metadataBits: Int { dense.metadataBits + sparse.storedBits }

  public func dequantized() -> Matrix { sparse.added(to: dense.dequantized()) }
}
