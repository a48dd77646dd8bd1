import Tensors

/// Rounds every weight to the nearest value of its group's grid; no calibration.
public enum RoundToNearest {
  /// Codes a matrix on a grid.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - grid: Scales are per row and group of columns.
  /// - Returns: W on the grid.
  /// - Throws: ``QuantizationError`` if a weight is not finite or a scale is too large to store.
  /// - Complexity: O(rows · columns).
  public static func quantize(
    _ weights: Matrix, grid: AffineGrid
  ) throws(QuantizationError) -> PackedMatrix {
    try codes(of: weights, grid: grid).packed
  }

  static func codes(of weights: Matrix, grid: AffineGrid) throws(QuantizationError) -> GridCodes {
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
    let tiles = concurrentTiles(rows: weights.rows, tileRows: Lanes.scalarCount) { rows in
      Result { () throws(QuantizationError) in
        try tile(weights.lanes(ofRows: rows), grid: grid, rows: rows)
      }
    }
    var result = GridCodes(grid: grid, rows: weights.rows, columns: weights.columns)
    for tile in tiles { result.append(try tile.get()) }
    return result
  }

  static func tile<Scalar: GridScalar>(
    _ weights: [SIMD16<Scalar>], grid: AffineGrid, rows: Range<Int>
  ) throws(QuantizationError) -> GridTile<Scalar> {
    var tile = GridTile<Scalar>(grid: grid, rows: rows.count, columns: weights.count)
    for column in weights.indices {
      if column.isMultiple(of: tile.groupSize) {
        try tile.startGroup(at: column, weights: weights, firstRow: rows.lowerBound)
      }
      _ = tile.round(weights[column], column: column)
    }
    return tile
  }
}
