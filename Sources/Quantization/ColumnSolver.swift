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

  private let grid: AffineGrid
  private let options: GPTQOptions
  private let factors: [Factor]
  /// Column of each position.
  private let columns: [Int]
  /// Position of each column.
  private let positions: [Int]
  private let deadColumns: [Int]
  private let groupSize: Int

  private struct Factor {
    let positions: Range<Int>
    /// U, shape `[positions, positions]`.
    let upper: [Scalar]
  }

  init(grid: AffineGrid, options: GPTQOptions, factor: DampedFactor) {
    self.grid = grid
    self.options = options
    factors = factor.blocks.map {
      Factor(positions: $0.positions, upper: Scalar.converted($0.upper.storage))
    }
    columns = factor.order.columns
    positions = factor.order.positions
    deadColumns = factor.deadColumns
    groupSize = grid.groupSize(columns: factor.columns)
  }

  /// Group of each column, or nil if that is `column / groupSize`.
  var groupIndex: [Int32]? {
    let index = columns.indices.map { Int32(group(ofColumn: $0, position: positions[$0])) }
    return index.indices.allSatisfy { Int(index[$0]) == $0 / groupSize } ? nil : index
  }

  @inline(__always)
  private func group(ofColumn column: Int, position: Int) -> Int {
    (options.scales == .fixed ? column : position) / groupSize
  }
}

/// Sixteen rows with their codes so far.
struct SolvedTile<Scalar: GridScalar>: Sendable {
  var tile: GridTile<Scalar>
  fileprivate var losses = SIMD16<Double>()

  /// Σ e² / 2 over the rows there are; with one bit, missing ones have an error too.
  var loss: Double { (0..<tile.rows.count).reduce(0) { $0 + losses[$1] } / 2 }
}

extension ColumnSolver {
  /// Rounds the rows of some tiles.
  ///
  /// - Parameters:
  ///   - weights: For each tile its rows as vectors, shape `[columns]`.
  ///   - rows: Where the rows lie in the matrix.
  /// - Returns: Codes with their scales, and losses, tile by tile.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``.
  func solve(
    _ weights: [[Vector]], rows: Range<Int>
  ) throws(QuantizationError) -> [SolvedTile<Scalar>] {
    var chunk = Chunk(tileCount: weights.count, columns: columns.count)
    for (tile, lanes) in weights.enumerated() {
      for (position, column) in columns.enumerated() {
        chunk.weights[position * weights.count + tile] = lanes[column]
      }
      for column in deadColumns {
        chunk.weights[positions[column] * weights.count + tile] = Vector()
      }
      let first = rows.lowerBound + 16 * tile
      chunk.solved.append(
        SolvedTile(
          tile: GridTile(
            grid: grid, rows: first..<min(first + 16, rows.upperBound), columns: columns.count)))
    }
    if options.scales == .fixed { try fixScales(&chunk) }
    for factor in factors {
      for block in blocks(of: factor.positions) {
        for tile in weights.indices { try solve(tile, &chunk, block: block, factor: factor) }
        update(&chunk, after: block, factor: factor)
      }
    }
    return chunk.solved
  }

  /// Blocks of columns after which later ones are updated.
  ///
  /// With fresh scales they begin and end with groups, or are parts of one: then a group's weights
  /// are up to date when its first column is reached, although updates beyond the block wait.
  private func blocks(of positions: Range<Int>) -> [Range<Int>] {
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

  private func fixScales(_ chunk: inout Chunk) throws(QuantizationError) {
    for tile in chunk.solved.indices {
      for group in 0..<chunk.solved[tile].tile.groups {
        let members = group * groupSize..<min((group + 1) * groupSize, columns.count)
        let weights = members.map { chunk.weights[positions[$0] * chunk.tileCount + tile] }
        try chunk.solved[tile].tile.chooseScales(ofGroup: group, from: weights)
      }
    }
  }

  /// Rounds the columns of a block for one tile; leaves errors e in the chunk.
  private func solve(
    _ tile: Int, _ chunk: inout Chunk, block: Range<Int>, factor: Factor
  ) throws(QuantizationError) {
    var local = block.map { chunk.weights[$0 * chunk.tileCount + tile] }
    let order = factor.positions.count
    for position in block {
      let index = position - block.lowerBound
      if options.scales != .fixed, position.isMultiple(of: groupSize) {
        try chunk.solved[tile].tile.chooseScales(
          ofGroup: position / groupSize,
          from: groupWeights(from: position, tile, chunk, local: local, block: block))
      }
      let column = columns[position]
      let rounded = chunk.solved[tile].tile.round(
        local[index], column: column, group: group(ofColumn: column, position: position))
      let start = (position - factor.positions.lowerBound) * (order + 1)
      let error = (local[index] - rounded) / factor.upper[start]
      let wide = SIMD16<Double>(error)
      chunk.solved[tile].losses += wide * wide
      chunk.errors[index * chunk.tileCount + tile] = error
      Self.subtract(error, times: factor.upper, from: start, of: &local, after: index)
    }
  }

  /// The weights of the group that begins at a position, as far as updated.
  private func groupWeights(
    from first: Int, _ tile: Int, _ chunk: Chunk, local: [Vector], block: Range<Int>
  ) -> [Vector] {
    let members = first..<min(first + groupSize, columns.count)
    if options.scales == .fresh, members.upperBound <= block.upperBound {
      return Array(
        local[members.lowerBound - block.lowerBound..<members.upperBound - block.lowerBound])
    }
    return members.map { chunk.weights[$0 * chunk.tileCount + tile] }
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
    var solved: [SolvedTile<Scalar>] = []

    init(tileCount: Int, columns: Int) {
      self.tileCount = tileCount
      weights = [Vector](repeating: Vector(), count: tileCount * columns)
      errors = weights
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
