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
  /// Shape `[rows, groups]`; not read if symmetric.
  var zeros: [UInt8] = []
  /// Group of each column; nil: `column / groupSize`.
  var groupIndex: [Int32]?

  init(grid: AffineGrid, rows: Int, columns: Int) {
    self.grid = grid
    self.rows = rows
    self.columns = columns
  }

  mutating func append(_ tile: PackedTile) {
    codes += tile.codes
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
      zeros: grid.symmetric ? [] : zeros, groupIndex: groupIndex)
  }
}

/// The rows of one tile in the form of ``GridCodes``.
struct PackedTile: Sendable {
  let codes: [UInt8]
  let scales: [Float]
  let zeros: [UInt8]

  init(codes: [UInt8], scales: [Float], zeros: [UInt8]) {
    (self.codes, self.scales, self.zeros) = (codes, scales, zeros)
  }

  init(_ tile: GridTile<Float>) {
    codes = tile.packedCodes
    scales = tile.scales
    zeros = tile.zeros
  }
}
