/// Affine grids that differ in their bits alone.
public struct GridFamily: Sendable, Equatable {
  /// Columns that share a scale; nil: a whole row.
  public var groupSize: Int?
  public var symmetric: Bool
  /// nil: a group's range is that of its weights.
  public var rangeSearch: RangeSearch?
  public var scaleRounding: ScaleRounding
  public var symmetricRange: SymmetricRange

  public init(
    groupSize: Int?, symmetric: Bool, rangeSearch: RangeSearch? = nil,
    scaleRounding: ScaleRounding = .float16, symmetricRange: SymmetricRange = .mirrored
  ) {
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.rangeSearch = rangeSearch
    self.scaleRounding = scaleRounding
    self.symmetricRange = symmetricRange
  }

  /// The grid of these bits.
  ///
  /// - Parameter bits: 1…8.
  /// - Returns: The grid.
  /// - Throws: ``QuantizationError``.
  public func grid(bits: Int) throws(QuantizationError) -> AffineGrid {
    try AffineGrid(
      bits: bits, groupSize: groupSize, symmetric: symmetric, scaleRounding: scaleRounding,
      symmetricRange: symmetricRange, rangeSearch: rangeSearch)
  }

  /// Bits of scales and zero points of a matrix, as ``PackedMatrix/metadataBits`` counts them.
  public func metadataBits(rows: Int, columns: Int, bits: Int) -> Int {
    let size = groupSize ?? max(columns, 1)
    let groups = (columns + size - 1) / size
    return rows * groups * (16 + (symmetric || bits == 1 ? 0 : bits))
  }
}
