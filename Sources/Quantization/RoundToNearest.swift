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
  /// - Complexity: O(rows · columns), times the steps of a range search.
  public static func quantize(
    _ weights: Matrix, grid: AffineGrid
  ) throws(QuantizationError) -> PackedMatrix {
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
    let tiles = concurrentTiles(rows: weights.rows, tileRows: Lanes.scalarCount) { rows in
      Result { () throws(QuantizationError) in
        PackedTile(try tile(weights.lanes(ofRows: rows), grid: grid, rows: rows))
      }
    }
    var result = GridCodes(grid: grid, rows: weights.rows, columns: weights.columns)
    for tile in tiles { result.append(try tile.get()) }
    return result.packed
  }

  static func tile<Scalar: GridScalar>(
    _ weights: [SIMD16<Scalar>], grid: AffineGrid, rows: Range<Int>
  ) throws(QuantizationError) -> GridTile<Scalar> {
    var tile = GridTile<Scalar>(grid: grid, rows: rows, columns: weights.count)
    for group in 0..<tile.groups {
      let columns =
        group * tile.groupSize..<min((group + 1) * tile.groupSize, tile.columns)
      try tile.chooseScales(ofGroup: group, from: Array(weights[columns]))
      for column in columns { _ = tile.round(weights[column], column: column, group: group) }
    }
    return tile
  }
}
