import Tensors

/// The loop of GPTQ over input channels whose scales are their own, one for each group of outputs.
///
/// Error feedback is that of ``ColumnSolver``. A group holds several rows, so a chunk of rows holds whole
/// groups and is taken channel by channel: all its rows are rounded, then all pass on their errors.
struct InputChannelSolver: Sendable {
  let grid: AffineGrid
  let options: GPTQOptions
  let factor: DampedFactor

  /// Codes of some rows, as they are found channel by channel.
  struct Solution: Sendable {
    let rows: Range<Int>
    /// Of these rows.
    let groups: Int
    /// Shape `[inputs, rows]`.
    var codes: [UInt8]
    /// Shape `[inputs, groups]`.
    var scales: [Float]
    /// Shape of scales.
    var zeros: [UInt8]
    /// Σ e² / 2.
    var loss: Double
  }

  /// Rows that are solved together: whole groups, few enough for the second-level cache if groups are.
  func chunkRows(of rows: Int) -> Int {
    let size = grid.groupSize(columns: rows)
    return max(size, 256 / size * size)
  }

  /// Rounds some rows.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - rows: Whole groups of outputs.
  /// - Returns: Codes with their scales, by input channel.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``, rows being input channels.
  func solve(_ weights: Matrix, rows: Range<Int>) throws(QuantizationError) -> Solution {
    let size = grid.groupSize(columns: weights.rows)
    let groups = (rows.count + size - 1) / size
    var solution = Solution(
      rows: rows, groups: groups, codes: [UInt8](repeating: 0, count: weights.columns * rows.count),
      scales: [Float](repeating: 0, count: weights.columns * groups),
      zeros: [UInt8](repeating: 0, count: weights.columns * groups), loss: 0)
    var chunk = Chunk(weights, rows: rows, columns: factor.order.columns)
    for column in factor.deadColumns {
      chunk.replace(factor.order.positions[column], with: [Float](repeating: 0, count: rows.count))
    }
    let original = options.scales == .fixed ? chunk : nil
    for block in factor.blocks {
      for positions in stride(
        from: block.positions.lowerBound, to: block.positions.upperBound, by: options.blockSize
      ).map({ $0..<min($0 + options.blockSize, block.positions.upperBound) }) {
        let before = options.scales == .stale ? chunk : original
        for position in positions {
          let channel = factor.order.columns[position]
          let values = chunk.values(position)
          let coded = try rounded(
            values, scalesFrom: before?.values(position) ?? values, size: size,
            channel: channel, firstGroup: rows.lowerBound / size)
          solution.write(coded, channel: channel)
          let start = position - block.positions.lowerBound
          let pivot = block.upper[start, start]
          let errors = values.indices.map { (values[$0] - coded.values[$0]) / pivot }
          solution.loss += errors.reduce(0) { $0 + Double($1) * Double($1) } / 2
          chunk.pass(errors, from: position, to: positions, block: block)
        }
        chunk.update(after: positions, block: block)
      }
    }
    return solution
  }
}

/// An input channel's share of some rows.
private struct CodedChannel {
  var codes: [UInt8] = []
  var scales: [Float] = []
  var zeros: [UInt8] = []
  /// ŵ with the scales the solver used.
  var values: [Float] = []
}

extension InputChannelSolver.Solution {
  fileprivate mutating func write(_ coded: CodedChannel, channel: Int) {
    for (row, code) in coded.codes.enumerated() { codes[channel * rows.count + row] = code }
    for group in 0..<groups {
      scales[channel * groups + group] = coded.scales[group]
      zeros[channel * groups + group] = coded.zeros[group]
    }
  }
}

extension InputChannelSolver {
  /// Rounds the groups of a channel side by side, sixteen of them in the lanes of a tile; a short last
  /// one has a tile of its own.
  private func rounded(
    _ weights: [Float], scalesFrom source: [Float], size: Int, channel: Int, firstGroup: Int
  ) throws(QuantizationError) -> CodedChannel {
    var coded = CodedChannel()
    let whole = weights.count / size
    for first in stride(from: 0, to: whole, by: 16) {
      let rows = first * size..<min(first + 16, whole) * size
      try round(weights, source, rows, size, channel, firstGroup + first, into: &coded)
    }
    if whole * size < weights.count {
      let rest = whole * size..<weights.count
      try round(weights, source, rest, rest.count, channel, firstGroup + whole, into: &coded)
    }
    return coded
  }

  private func round(
    _ weights: [Float], _ source: [Float], _ rows: Range<Int>, _ size: Int, _ channel: Int,
    _ firstGroup: Int, into coded: inout CodedChannel
  ) throws(QuantizationError) {
    let groups = rows.count / size
    let (part, scaling) = (
      Matrix(rows: groups, columns: size, storage: Array(weights[rows])),
      Matrix(rows: groups, columns: size, storage: Array(source[rows]))
    )
    var tile = GridTile<Float>(
      grid: grid, rows: firstGroup..<firstGroup + groups, columns: size)
    do throws(QuantizationError) {
      try tile.chooseScales(ofGroup: 0, from: scaling.lanes(ofRows: 0..<groups))
    } catch {
      guard case .scaleOverflow(let scale, let group, _) = error else { throw error }
      throw .scaleOverflow(scale: scale, row: channel, group: group)
    }
    let values = part.lanes(ofRows: 0..<groups).enumerated().map { column, lanes in
      tile.round(lanes, column: column, group: 0)
    }
    for group in 0..<groups {
      for column in 0..<size {
        coded.codes.append(tile.code(row: group, column: column))
        coded.values.append(values[column][group])
      }
    }
    coded.scales += tile.scales
    coded.zeros += grid.symmetric ? [UInt8](repeating: 0, count: groups) : tile.zeros
  }
}

/// The working memory of some rows: channels in the order of rounding, sixteen rows to a vector.
private struct Chunk {
  let rows: Int
  /// Vectors for each channel; lanes beyond the last row stay 0.
  let width: Int
  /// Shape `[channels, width]`; channels of the current block are up to date.
  private var weights: [Lanes]
  /// e of the current block, shape `[channels of the block, width]`.
  private var errors: [Lanes]

  init(_ matrix: Matrix, rows: Range<Int>, columns: [Int]) {
    self.rows = rows.count
    width = (rows.count + 15) / 16
    weights = [Lanes](repeating: Lanes(), count: columns.count * width)
    errors = weights
    let tiles = matrix.tiles(ofRows: rows)
    for (position, column) in columns.enumerated() {
      for tile in 0..<width { weights[position * width + tile] = tiles[tile][column] }
    }
  }

  /// The weights of a channel, shape `[rows]`.
  func values(_ position: Int) -> [Float] {
    (0..<rows).map { weights[position * width + $0 / 16][$0 % 16] }
  }

  mutating func replace(_ position: Int, with values: [Float]) {
    for (row, value) in values.enumerated() {
      weights[position * width + row / 16][row % 16] = value
    }
  }

  /// w_j -= e · U_ij for the channels j > i of the block of positions.
  mutating func pass(
    _ values: [Float], from position: Int, to positions: Range<Int>, block: DampedFactor.Block
  ) {
    let start = (position - positions.lowerBound) * width
    for tile in 0..<width { errors[start + tile] = Lanes() }
    for (row, value) in values.enumerated() { errors[start + row / 16][row % 16] = value }
    let first = block.positions.lowerBound
    for later in position + 1..<max(positions.upperBound, position + 1) {
      let factor = Lanes(repeating: block.upper[position - first, later - first])
      for tile in 0..<width {
        weights[later * width + tile].addProduct(-errors[start + tile], factor)
      }
    }
  }

  /// W[later] -= U[positions, later]ᵀ E.
  mutating func update(after positions: Range<Int>, block: DampedFactor.Block) {
    let (order, first) = (block.positions.count, block.positions.lowerBound)
    let later = positions.upperBound..<block.positions.upperBound
    guard !later.isEmpty else { return }
    let scalars = width * 16
    let corner = (positions.lowerBound - first) * order + later.lowerBound - first
    block.upper.storage.withUnsafeBufferPointer { upper in
      errors.withUnsafeBytes { errors in
        weights.withUnsafeMutableBytes { weights in
          guard let a = upper.baseAddress,
            let b = errors.bindMemory(to: Float.self).baseAddress,
            let c = weights.bindMemory(to: Float.self).baseAddress
          else { return }
          // SAFETY: U is [order, order] and both ranges lie in it; errors hold positions.count rows,
          // weights all channels, of `scalars` floats each.
          BatchedProduct.subtractTransposed(
            rows: later.count, inner: positions.count, columns: scalars, a + corner,
            aStride: order, b, bStride: scalars, from: c + later.lowerBound * scalars,
            cStride: scalars)
        }
      }
    }
  }
}
