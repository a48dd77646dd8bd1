import Tensors

/// The loop of GPTQ over columns, for as many rows as stay in the cache.
///
/// Rows are taken in tiles of sixteen, a vector each. Within a block of columns a tile updates
/// itself, in the first-level cache; what the block's errors do to later columns is one matrix
/// product for all tiles.
struct ColumnSolver<Scalar: GridScalar>: Sendable {
  typealias Vector = SIMD16<Scalar>

  /// Rows that are solved together: enough for the product, few enough that their weights stay in
  /// the second-level cache.
  let chunkRows = 256

  private let segments: [Segment]
  private let options: GPTQOptions
  private let factors: [Factor]
  /// Column of each position.
  private let columns: [Int]
  /// Position of each column.
  private let positions: [Int]
  private let deadColumns: [Int]

  /// Neighbouring positions on one grid; groups begin with it, and its last one may be short.
  private struct Segment {
    let positions: Range<Int>
    let grid: AffineGrid

    var groupSize: Int { grid.groupSize(columns: positions.count) }
  }

  private struct Factor {
    let positions: Range<Int>
    /// U, shape `[positions, positions]`.
    let upper: [Scalar]
  }

  init(grid: AffineGrid, options: GPTQOptions, factor: DampedFactor) {
    self.init(slices: [(grid, factor.columns)], options: options, factor: factor)
  }

  /// - Parameters:
  ///   - slices: Grid and number of neighbouring columns; several only in their natural order.
  ///   - options: Block size and scales; the order is the factor's.
  ///   - factor: Of the damped Hessian.
  init(slices: [(grid: AffineGrid, columns: Int)], options: GPTQOptions, factor: DampedFactor) {
    precondition(slices.count == 1 || factor.order.isNatural, "slices of permuted columns")
    precondition(
      slices.reduce(0) { $0 + $1.columns } == factor.columns,
      "slices of \(slices.map(\.columns)) for \(factor.columns) columns")
    var (segments, start): ([Segment], Int) = ([], 0)
    for slice in slices {
      segments.append(Segment(positions: start..<start + slice.columns, grid: slice.grid))
      start += slice.columns
    }
    self.segments = segments
    self.options = options
    factors = factor.blocks.map {
      Factor(positions: $0.positions, upper: Scalar.converted($0.upper.storage))
    }
    columns = factor.order.columns
    positions = factor.order.positions
    deadColumns = factor.deadColumns
  }

  /// Columns of each slice.
  var columnCounts: [Int] { segments.map(\.positions.count) }

  /// Group of each column of a single slice, or nil if that is `column / groupSize`.
  var groupIndex: [Int32]? {
    precondition(segments.count == 1, "columns of slices lie in their order")
    let (segment, size) = (segments[0], segments[0].groupSize)
    let index = columns.indices.map {
      Int32(group(ofColumn: $0, position: positions[$0], in: segment))
    }
    return index.indices.allSatisfy { Int(index[$0]) == $0 / size } ? nil : index
  }

  /// Within the segment.
  @inline(__always)
  private func group(ofColumn column: Int, position: Int, in segment: Segment) -> Int {
    ((options.scales == .fixed ? column : position) - segment.positions.lowerBound)
      / segment.groupSize
  }
}

/// Sixteen rows with their codes so far.
struct SolvedTile<Scalar: GridScalar>: Sendable {
  var tile: GridTile<Scalar>
  fileprivate var losses = SIMD16<Double>()
  /// What outliers hold beyond the codes at their places, column by column; no zeros.
  fileprivate(set) var kept: [SparseMatrix.Element] = []

  /// Σ e² / 2 over the rows there are; with one bit, missing ones have an error too.
  var loss: Double { (0..<tile.rows.count).reduce(0) { $0 + losses[$1] } / 2 }

  /// Codes a column in which some lanes are outliers: those get the code of 0, and what their weights
  /// are beyond it is kept in binary16.
  ///
  /// - Parameters:
  ///   - weights: As updated so far.
  ///   - outliers: Bit r for lane r.
  ///   - column: Of the tile.
  ///   - group: Of the column.
  ///   - firstColumn: Of the tile in the matrix.
  /// - Returns: ŵ, of outliers the weights but for the rounding to binary16.
  /// - Throws: ``QuantizationError/valueOverflow(value:row:column:)``.
  fileprivate mutating func round(
    _ weights: SIMD16<Scalar>, keeping outliers: UInt16, column: Int, group: Int,
    firstColumn: Int
  ) throws(QuantizationError) -> SIMD16<Scalar> {
    var rounded = tile.round(weights.zeroed(outliers), column: column, group: group)
    for lane in 0..<tile.rows.count where outliers >> lane & 1 == 1 {
      let (row, rest) = (tile.rows.lowerBound + lane, weights[lane] - rounded[lane])
      let half = Float16(rest)
      guard half.isFinite else {
        throw .valueOverflow(value: Float(rest), row: row, column: firstColumn + column)
      }
      guard half != 0 else { continue }
      rounded[lane] += Scalar(half)
      kept.append(
        SparseMatrix.Element(row: row, column: firstColumn + column, value: Float(half)))
    }
    return rounded
  }
}

extension SIMD16 where Scalar: GridScalar {
  /// 0 in the lanes whose bit is set.
  fileprivate func zeroed(_ lanes: UInt16) -> Self {
    guard lanes != 0 else { return self }
    var result = self
    for lane in 0..<16 where lanes >> lane & 1 == 1 { result[lane] = 0 }
    return result
  }
}

extension ColumnSolver {
  /// Rounds the rows of some tiles.
  ///
  /// - Parameters:
  ///   - weights: For each tile its rows as vectors, shape `[columns]`.
  ///   - rows: Where the rows lie in the matrix.
  ///   - outliers: For each tile the lanes of each column that are kept beside the codes, a bit a lane;
  ///     empty: none. They are 0 to the grids and pass on no error but that of binary16.
  /// - Returns: Codes with their scales, and losses, tile by tile in each slice.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``,
  ///   ``QuantizationError/valueOverflow(value:row:column:)``.
  func solve(
    _ weights: [[Vector]], rows: Range<Int>, outliers: [[UInt16]] = []
  ) throws(QuantizationError) -> [[SolvedTile<Scalar>]] {
    var chunk = Chunk(tileCount: weights.count, columns: columns.count)
    for position in outliers.isEmpty ? 0..<0 : columns.indices {
      chunk.outliers += outliers.map { $0[columns[position]] }
    }
    for (tile, lanes) in weights.enumerated() {
      for (position, column) in columns.enumerated() {
        chunk.weights[position * weights.count + tile] = lanes[column]
      }
      for column in deadColumns {
        chunk.weights[positions[column] * weights.count + tile] = Vector()
      }
    }
    var solved = segments.map { segment in
      weights.indices.map { tile in
        let first = rows.lowerBound + 16 * tile
        return SolvedTile<Scalar>(
          tile: GridTile(
            grid: segment.grid, rows: first..<min(first + 16, rows.upperBound),
            columns: segment.positions.count))
      }
    }
    if options.scales == .fixed {
      for index in segments.indices { try fixScales(segments[index], chunk, &solved[index]) }
    }
    for (index, segment) in segments.enumerated() {
      for factor in factors where factor.positions.overlaps(segment.positions) {
        let positions = factor.positions.clamped(to: segment.positions)
        for block in blocks(of: positions, groupSize: segment.groupSize) {
          for tile in weights.indices {
            try solve(
              tile, &chunk, &solved[index][tile], segment, block: block, factor: factor)
          }
          update(&chunk, after: block, factor: factor)
        }
      }
    }
    return solved
  }

  /// Blocks of columns after which later ones are updated.
  ///
  /// With fresh scales they begin and end with groups, or are parts of one: then a group's weights
  /// are up to date when its first column is reached, although updates beyond the block wait.
  private func blocks(of positions: Range<Int>, groupSize: Int) -> [Range<Int>] {
    var (size, unit) = (options.blockSize, positions.count)
    if options.scales == .fresh {
      if groupSize <= size { size -= size % groupSize } else { unit = groupSize }
    }
    return stride(from: positions.lowerBound, to: positions.upperBound, by: max(unit, 1)).flatMap {
      start in
      let end = min(start + unit, positions.upperBound)
      return stride(from: start, to: end, by: size).map { $0..<min($0 + size, end) }
    }
  }

  private func fixScales(
    _ segment: Segment, _ chunk: Chunk, _ solved: inout [SolvedTile<Scalar>]
  ) throws(QuantizationError) {
    let (range, size) = (segment.positions, segment.groupSize)
    for tile in solved.indices {
      for (group, first) in stride(from: range.lowerBound, to: range.upperBound, by: size)
        .enumerated()
      {
        let members = first..<min(first + size, range.upperBound)
        let weights = members.map { chunk.dense(positions[$0], tile) }
        try solved[tile].tile.chooseScales(ofGroup: group, from: weights)
      }
    }
  }

  /// Rounds the columns of a block for one tile; leaves errors e in the chunk.
  private func solve(
    _ tile: Int, _ chunk: inout Chunk, _ solved: inout SolvedTile<Scalar>, _ segment: Segment,
    block: Range<Int>, factor: Factor
  ) throws(QuantizationError) {
    var local = block.map { chunk.weights[$0 * chunk.tileCount + tile] }
    let order = factor.positions.count
    let (first, groupSize) = (segment.positions.lowerBound, segment.groupSize)
    for position in block {
      let index = position - block.lowerBound
      if options.scales != .fixed, (position - first).isMultiple(of: groupSize) {
        let end = min(position + groupSize, segment.positions.upperBound)
        try solved.tile.chooseScales(
          ofGroup: (position - first) / groupSize,
          from: groupWeights(position..<end, tile, chunk, local: local, block: block))
      }
      let column = columns[position]
      let group = group(ofColumn: column, position: position, in: segment)
      let outliers = chunk.outlierLanes(position, tile)
      let rounded =
        outliers == 0
        ? solved.tile.round(local[index], column: column - first, group: group)
        : try solved.round(
          local[index], keeping: outliers, column: column - first, group: group,
          firstColumn: first)
      let start = (position - factor.positions.lowerBound) * (order + 1)
      let error = (local[index] - rounded) / factor.upper[start]
      let wide = SIMD16<Double>(error)
      solved.losses += wide * wide
      chunk.errors[index * chunk.tileCount + tile] = error
      Self.subtract(error, times: factor.upper, from: start, of: &local, after: index)
    }
  }

  /// The weights of a group, as far as updated.
  private func groupWeights(
    _ members: Range<Int>, _ tile: Int, _ chunk: Chunk, local: [Vector], block: Range<Int>
  ) -> [Vector] {
    if options.scales == .fresh, members.upperBound <= block.upperBound {
      return members.map {
        local[$0 - block.lowerBound].zeroed(chunk.outlierLanes($0, tile))
      }
    }
    return members.map { chunk.dense($0, tile) }
  }

  /// w_j -= e · U_ij for the columns j > i of the block; U_ii is at `start`, w_i at `index`.
  @inline(__always)
  private static func subtract(
    _ error: Vector, times upper: [Scalar], from start: Int, of weights: inout [Vector],
    after index: Int
  ) {
    let count = weights.count - index - 1
    guard count > 0 else { return }
    precondition(start + count < upper.count, "row of U ends at \(upper.count)")
    weights.withUnsafeMutableBufferPointer { weights in
      upper.withUnsafeBufferPointer { upper in
        guard let weights = weights.baseAddress, let upper = upper.baseAddress else { return }
        // SAFETY: index + count is the last weight, start + count lies in U (checked above).
        for step in 1...count {
          weights[index + step].addProduct(-error, Vector(repeating: upper[start + step]))
        }
      }
    }
  }

  /// W[later] -= U[block, later]ᵀ E, all tiles at once.
  private func update(_ chunk: inout Chunk, after block: Range<Int>, factor: Factor) {
    let (order, first) = (factor.positions.count, factor.positions.lowerBound)
    let width = chunk.tileCount * 16
    let later = block.upperBound..<factor.positions.upperBound
    guard !later.isEmpty else { return }
    let corner = (block.lowerBound - first) * order + later.lowerBound - first
    factor.upper.withUnsafeBufferPointer { upper in
      chunk.errors.withUnsafeBytes { errors in
        chunk.weights.withUnsafeMutableBytes { weights in
          guard let a = upper.baseAddress,
            let b = errors.bindMemory(to: Scalar.self).baseAddress,
            let c = weights.bindMemory(to: Scalar.self).baseAddress
          else { return }
          // SAFETY: U is [order, order] and both ranges lie in it; errors hold block.count rows,
          // weights columns.count rows of `width` scalars, sixteen to a vector.
          Scalar.subtractTransposed(
            rows: later.count, inner: block.count, columns: width, a + corner, aStride: order,
            b, bStride: width, from: c + later.lowerBound * width, cStride: width)
        }
      }
    }
  }

  /// The working memory of some tiles.
  private struct Chunk {
    let tileCount: Int
    /// Weights in the order of rounding, shape `[columns, tiles]`; columns of the current block are
    /// as they were when it began.
    var weights: [Vector]
    /// e of the current block, shape `[columns of the block, tiles]`.
    var errors: [Vector]
    /// Lanes that are outliers, in the order of rounding, shape `[columns, tiles]`; empty: none.
    var outliers: [UInt16] = []

    init(tileCount: Int, columns: Int) {
      self.tileCount = tileCount
      weights = [Vector](repeating: Vector(), count: tileCount * columns)
      errors = weights
    }

    @inline(__always)
    func outlierLanes(_ position: Int, _ tile: Int) -> UInt16 {
      outliers.isEmpty ? 0 : outliers[position * tileCount + tile]
    }

    /// The weights that grids see: 0 for outliers.
    func dense(_ position: Int, _ tile: Int) -> Vector {
      weights[position * tileCount + tile].zeroed(outlierLanes(position, tile))
    }
  }
}

extension Matrix {
  /// Rows as tiles of sixteen, the last one filled up with zeros.
  func tiles(ofRows rows: Range<Int>) -> [[Lanes]] {
    stride(from: rows.lowerBound, to: rows.upperBound, by: 16).map {
      lanes(ofRows: $0..<min($0 + 16, rows.upperBound))
    }
  }
}
