import Tensors

/// A matrix coded on a grid, with scales as the solver used them.
struct GridCodes: Sendable {
  let grid: AffineGrid
  let rows: Int
  let columns: Int
  /// Shape `[rows, rowBytes]`.
  var codes: [UInt8] = []
  /// Shape `[rows, groups]`.
  var scales: [Float] = []
  /// Shape `[rows, groups]`.
  var zeros: [UInt8] = []

  init(grid: AffineGrid, rows: Int, columns: Int) {
    self.grid = grid
    self.rows = rows
    self.columns = columns
  }

  mutating func append(_ tile: GridTile<Float>) {
    codes += tile.packedCodes
    scales += tile.scales
    zeros += tile.zeros
  }

  /// As stored; exact for ``ScaleRounding/float16``, else scales are rounded here, at most to the
  /// largest finite binary16 number.
  var packed: PackedMatrix {
    PackedMatrix(
      rows: rows, columns: columns, bits: grid.bits, groupSize: grid.groupSize(columns: columns),
      symmetric: grid.symmetric, codes: codes,
      scales: scales.map { Float16(HalfPrecision.roundedToFloat16($0)).bitPattern },
      zeros: grid.symmetric ? [] : zeros)
  }
}
