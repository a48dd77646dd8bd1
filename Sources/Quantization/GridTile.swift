import Tensors

/// Sixteen rows side by side: lane r of element c is weight (row r, column c).
///
/// Rows are independent given the factor, so a vector over rows needs no reduction and gives the
/// same bits on any number of threads. Missing rows of the last tile are zero.
typealias Lanes = SIMD16<Float>

/// Codes and group parameters of the rows of one tile, as they are filled column by column.
struct GridTile<Scalar: GridScalar>: Sendable {
  let grid: AffineGrid
  /// Where the rows lie in the matrix; at most sixteen.
  let rows: Range<Int>
  let columns: Int
  let groupSize: Int
  let groups: Int
  /// Shape `[columns]`, a lane per row.
  private var codes: [SIMD16<UInt8>]
  /// Shape `[groups]`.
  private var scaleLanes: [SIMD16<Scalar>]
  /// Shape `[groups]`.
  private var zeroLanes: [SIMD16<Scalar>]

  init(grid: AffineGrid, rows: Range<Int>, columns: Int) {
    self.grid = grid
    self.rows = rows
    self.columns = columns
    groupSize = grid.groupSize(columns: columns)
    groups = (columns + groupSize - 1) / groupSize
    codes = [SIMD16<UInt8>](repeating: SIMD16(), count: columns)
    scaleLanes = [SIMD16<Scalar>](repeating: SIMD16(repeating: 1), count: groups)
    zeroLanes = [SIMD16<Scalar>](repeating: SIMD16(), count: groups)
  }

  /// Chooses scale and zero point of a group, for every row.
  ///
  /// - Parameters:
  ///   - group: Index of the group.
  ///   - weights: Its weights, in any order.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``.
  mutating func chooseScales(
    ofGroup group: Int, from weights: [SIMD16<Scalar>]
  ) throws(QuantizationError) {
    for (row, fit) in try fits(weights, group: group).enumerated() {
      scaleLanes[group][row] = fit.scale
      zeroLanes[group][row] = fit.zero
    }
  }

  /// Codes one column of weights and returns the values they stand for, ŵ = s (q - z).
  @inline(__always)
  mutating func round(_ weights: SIMD16<Scalar>, column: Int, group: Int) -> SIMD16<Scalar> {
    let (scale, zero) = (scaleLanes[group], zeroLanes[group])
    let code = self.code(of: weights, scale: scale, zero: zero)
    codes[column] = Scalar.codes(code)
    return scale * (code - zero)
  }

  @inline(__always)
  private func code(
    of weights: SIMD16<Scalar>, scale: SIMD16<Scalar>, zero: SIMD16<Scalar>
  ) -> SIMD16<Scalar> {
    if grid.bits == 1 { return SIMD16().replacing(with: 1, where: weights .>= 0) }
    let unclamped = (weights / scale).rounded(.toNearestOrEven) + zero
    return Scalar.clamped(unclamped, to: Scalar(grid.largestCode))
  }

  func code(row: Int, column: Int) -> UInt8 { codes[column][row] }

  /// Shape `[rows, groups]`.
  var scales: [Scalar] {
    rows.indices.flatMap { row in scaleLanes.map { $0[row - rows.lowerBound] } }
  }

  /// Zero points, shape `[rows, groups]`; empty if symmetric.
  var zeros: [UInt8] {
    guard !grid.symmetric else { return [] }
    return rows.indices.flatMap { row in zeroLanes.map { Scalar.codes($0)[row - rows.lowerBound] } }
  }

  /// The codes as bit streams, shape `[rows, rowBytes]`.
  var packedCodes: [UInt8] {
    var bytes: [UInt8] = []
    for row in 0..<rows.count {
      bytes += BitStream.packed(codes.map { $0[row] }, bits: grid.bits)
    }
    return bytes
  }
}

extension GridTile {
  private typealias Fit = (scale: Scalar, zero: Scalar)

  /// One for each row of the tile.
  private func fits(_ weights: [SIMD16<Scalar>], group: Int) throws(QuantizationError) -> [Fit] {
    if grid.bits == 1 { return try signFits(weights, group: group) }
    let (low, high) = Scalar.range(of: weights)
    guard let search = grid.rangeSearch else {
      return try rangeFits(low: low, high: high, group: group)
    }
    return try searchedFits(search, weights, low: low, high: high, group: group)
  }

  private func rangeFits(
    low: SIMD16<Scalar>, high: SIMD16<Scalar>, group: Int
  ) throws(QuantizationError) -> [Fit] {
    var fits: [Fit] = []
    for row in 0..<rows.count {
      guard let fit = grid.parameters(low: low[row], high: high[row]) else {
        let scale = grid.exactScale(low: low[row], high: high[row])
        throw .scaleOverflow(scale: Float(scale), row: rows.lowerBound + row, group: group)
      }
      fits.append(fit)
    }
    return fits
  }

  private func signFits(
    _ weights: [SIMD16<Scalar>], group: Int
  ) throws(QuantizationError) -> [Fit] {
    var sum = SIMD16<Double>()
    for values in weights {
      sum += SIMD16<Double>(values.replacing(with: -values, where: values .< 0))
    }
    var fits: [Fit] = []
    for row in 0..<rows.count {
      let mean = Scalar(sum[row] / Double(max(weights.count, 1)))
      guard let fit = grid.signParameters(meanMagnitude: mean) else {
        throw .scaleOverflow(scale: Float(2 * mean), row: rows.lowerBound + row, group: group)
      }
      fits.append(fit)
    }
    return fits
  }

  private func searchedFits(
    _ search: RangeSearch, _ weights: [SIMD16<Scalar>], low: SIMD16<Scalar>,
    high: SIMD16<Scalar>, group: Int
  ) throws(QuantizationError) -> [Fit] {
    var best: [Fit] = []
    var smallest = SIMD16<Double>(repeating: .infinity)
    for factor in search.factors {
      let factor = Scalar(factor)
      let fits = try rangeFits(low: factor * low, high: factor * high, group: group)
      if best.isEmpty { best = fits }
      let distance = self.distance(weights, fits, norm: Scalar(search.norm))
      for row in 0..<rows.count where distance[row] < smallest[row] {
        smallest[row] = distance[row]
        best[row] = fits[row]
      }
    }
    return best
  }

  /// Σ |ŵ - w|^norm for each row.
  private func distance(
    _ weights: [SIMD16<Scalar>], _ fits: [Fit], norm: Scalar
  ) -> SIMD16<Double> {
    var (scale, zero) = (SIMD16<Scalar>(repeating: 1), SIMD16<Scalar>())
    for (row, fit) in fits.enumerated() { (scale[row], zero[row]) = fit }
    var sum = SIMD16<Double>()
    for values in weights {
      let error = scale * (code(of: values, scale: scale, zero: zero) - zero) - values
      sum += SIMD16<Double>(Scalar.power(ofMagnitude: error, norm))
    }
    return sum
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
