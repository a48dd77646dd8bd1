import Tensors

/// What the solver computes in: `Float` for weights, `Double` to check the arithmetic itself.
protocol GridScalar: SIMDScalar, BinaryFloatingPoint, Codable, Sendable
where SIMD16Storage: Sendable {
  /// The value as a code; it must be whole and in 0…255.
  var code: UInt8 { get }
}
// The concrete conversions are single instructions, the generic one is not.
extension Float: GridScalar {
  var code: UInt8 { UInt8(self) }
}
extension Double: GridScalar {
  var code: UInt8 { UInt8(self) }
}

/// Sixteen rows side by side: lane r of element c is weight (row r, column c).
///
/// Rows are independent given the factor, so a vector over rows needs no reduction and gives the
/// same bits on any number of threads. Missing rows of the last tile are zero.
typealias Lanes = SIMD16<Float>

/// Codes and group parameters of the rows of one tile, as they are filled column by column.
struct GridTile<Scalar: GridScalar>: Sendable {
  let grid: AffineGrid
  let rows: Int
  let columns: Int
  let groupSize: Int
  /// Shape `[rows, columns]`.
  private var codes: [UInt8]
  /// Shape `[rows, groups]`.
  private(set) var scales: [Scalar]
  /// Shape `[rows, groups]`.
  private(set) var zeros: [UInt8]
  private let groups: Int
  private var scale = SIMD16<Scalar>(repeating: 1)
  private var zero = SIMD16<Scalar>()

  init(grid: AffineGrid, rows: Int, columns: Int) {
    self.grid = grid
    self.rows = rows
    self.columns = columns
    groupSize = grid.groupSize(columns: columns)
    groups = (columns + groupSize - 1) / groupSize
    codes = [UInt8](repeating: 0, count: rows * columns)
    scales = [Scalar](repeating: 0, count: rows * groups)
    zeros = [UInt8](repeating: 0, count: rows * groups)
  }

  /// Chooses scale and zero point of the group that starts at `column`, for every row.
  mutating func startGroup(
    at column: Int, weights: [SIMD16<Scalar>], firstRow: Int
  ) throws(QuantizationError) {
    var (low, high) = (SIMD16<Scalar>(), SIMD16<Scalar>())
    for index in column..<min(column + groupSize, columns) {
      let values = weights[index]
      low.replace(with: values, where: values .< low)
      high.replace(with: values, where: values .> high)
    }
    let group = column / groupSize
    for row in 0..<rows {
      guard let parameters = grid.parameters(low: low[row], high: high[row]) else {
        let scale = grid.exactScale(low: low[row], high: high[row])
        throw .scaleOverflow(scale: Float(scale), row: firstRow + row, group: group)
      }
      scale[row] = parameters.scale
      zero[row] = parameters.zero
      scales[row * groups + group] = parameters.scale
      zeros[row * groups + group] = parameters.zero.code
    }
  }

  /// Codes one column of weights and returns the values they stand for, ŵ = s (q - z).
  mutating func round(_ weights: SIMD16<Scalar>, column: Int) -> SIMD16<Scalar> {
    let unclamped = (weights / scale).rounded(.toNearestOrEven) + zero
    let code = unclamped.clamped(
      lowerBound: SIMD16(), upperBound: SIMD16(repeating: Scalar(grid.largestCode)))
    for row in 0..<rows {
      codes[row * columns + column] = code[row].code
    }
    return scale * (code - zero)
  }

  func code(row: Int, column: Int) -> UInt8 { codes[row * columns + column] }

  /// The codes as bit streams, shape `[rows, rowBytes]`.
  var packedCodes: [UInt8] {
    var bytes: [UInt8] = []
    for row in 0..<rows {
      let rowCodes = Array(codes[row * columns..<(row + 1) * columns])
      bytes += BitStream.packed(rowCodes, bits: grid.bits)
    }
    return bytes
  }
}

extension Matrix {
  /// Sixteen rows or less as vectors over rows, shape `[columns]`; the first row is lane 0.
  func lanes(ofRows rows: Range<Int>) -> [Lanes] {
    var lanes = [Lanes](repeating: Lanes(), count: columns)
    for (lane, row) in rows.enumerated() {
      for column in 0..<columns {
        lanes[column][lane] = storage[row * columns + column]
      }
    }
    return lanes
  }
}
