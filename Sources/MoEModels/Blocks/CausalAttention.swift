import Tensors

/// Grouped-query causal attention over whole sequences, without a cache.
///
/// A sequence is copied head-major (queries of one key/value head together), then blocks of queries
/// see only the keys up to their end, which saves almost half of the products. Branches of a tree
/// are copied behind the trunk one after the other, each over the one before: to its queries a branch
/// and the trunk are one sequence.
final class CausalAttention {
  private let heads: Int
  private let keyValueHeads: Int
  private let headDimension: Int
  private let valueDimension: Int
  private let scale: Float
  private let rotary: RotaryEmbedding?
  private let precision: Precision
  private let queryBlock = 128

  private let queries = ScratchBuffer<Float>()
  private let keys = ScratchBuffer<Float>()
  private let values = ScratchBuffer<Float>()
  private let halfQueries = ScratchBuffer<UInt16>()
  private let halfKeys = ScratchBuffer<UInt16>()
  private let halfValues = ScratchBuffer<UInt16>()
  private let scores = ScratchBuffer<Float>()
  private let probabilities = ScratchBuffer<UInt16>()
  private let outputs = ScratchBuffer<Float>()

  /// - Parameters:
  ///   - heads: Of the queries; a multiple of `keyValueHeads`.
  ///   - keyValueHeads: Of keys and values.
  ///   - headDimension: Channels of a query or key.
  ///   - valueDimension: Channels of a value.
  ///   - scale: Of the scores.
  ///   - rotary: Turns whole queries and keys; nil if they come turned.
  ///   - precision: Of the products.
  init(
    heads: Int, keyValueHeads: Int, headDimension: Int, valueDimension: Int, scale: Float,
    rotary: RotaryEmbedding?, precision: Precision
  ) {
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    self.valueDimension = valueDimension
    self.scale = scale
    self.rotary = rotary
    self.precision = precision
  }

  /// - Parameters:
  ///   - projected: q, k, v of every token side by side, ``inputWidth`` channels.
  ///   - batch: Where sequences begin and end.
  ///   - y: Written, `[batch.tokens, heads · valueDimension]`.
  func apply(
    _ projected: UnsafePointer<Float>, batch: SequenceBatch, to y: UnsafeMutablePointer<Float>
  ) {
    var first = 0
    for shape in batch.shapes {
      let room = shape.longest
      attend(0..<shape.trunk, firstRow: first, projected, room: room, to: y)
      first += shape.trunk
      for branch in shape.branches {
        attend(
          shape.trunk..<shape.trunk + branch, firstRow: first, projected, room: room, to: y)
        first += branch
      }
    }
  }

  /// Attention of the tokens at consecutive positions to those before them, which are in place.
  ///
  /// - Parameters:
  ///   - positions: Of the tokens in their sequence.
  ///   - firstRow: Of these tokens in `projected` and `y`.
  ///   - projected: As in ``apply(_:batch:to:)``.
  ///   - room: Positions that the head-major copies have room for.
  ///   - y: As in ``apply(_:batch:to:)``.
  private func attend(
    _ positions: Range<Int>, firstRow: Int, _ projected: UnsafePointer<Float>, room: Int,
    to y: UnsafeMutablePointer<Float>
  ) {
    arrange(projected + firstRow * inputWidth, positions: positions, room: room)
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: queryBlock) {
      attend(
        start..<min(start + queryBlock, positions.upperBound), room: room,
        to: y + (firstRow + start - positions.lowerBound) * heads * valueDimension)
    }
  }

  private var inputWidth: Int {
    (heads + keyValueHeads) * headDimension + keyValueHeads * valueDimension
  }
  private var repeats: Int { heads / keyValueHeads }

  /// Rotates q and k and lays all three out head-major: q `[kvHeads, room, repeats, d]`,
  /// k `[kvHeads, room, d]`, v `[kvHeads, room, valueDimension]`.
  private func arrange(
    _ projected: UnsafePointer<Float>, positions: Range<Int>, room: Int
  ) {
    let (d, dv, repeats, kvHeads) = (headDimension, valueDimension, repeats, keyValueHeads)
    let width = inputWidth
    // SAFETY: every chunk of positions writes its own places of q, k and v.
    nonisolated(unsafe) let q = queries.reserve(room * heads * d)
    nonisolated(unsafe) let k = keys.reserve(room * kvHeads * d)
    nonisolated(unsafe) let v = values.reserve(room * kvHeads * dv)
    nonisolated(unsafe) let projected = projected
    let heads = heads
    let place = placement
    forEachChunk(of: positions.count, size: 64) { range in
      for index in range {
        let position = positions.lowerBound + index
        let row = projected + index * width
        for head in 0..<heads {
          let target = q + ((head / repeats * room + position) * repeats + head % repeats) * d
          place(row + head * d, target, position)
        }
        for head in 0..<kvHeads {
          let target = head * room + position
          place(row + (heads + head) * d, k + target * d, position)
          (v + target * dv).update(from: row + (heads + kvHeads) * d + head * dv, count: dv)
        }
      }
    }
    guard precision == .bf16 else { return }
    round(q, to: halfQueries.reserve(room * heads * d), positions, room: room, width: repeats * d)
    round(k, to: halfKeys.reserve(room * kvHeads * d), positions, room: room, width: d)
    round(v, to: halfValues.reserve(room * kvHeads * dv), positions, room: room, width: dv)
  }

  /// Rounds what every key/value head has at these positions, `width` channels each.
  private func round(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<UInt16>,
    _ positions: Range<Int>, room: Int, width: Int
  ) {
    for head in 0..<keyValueHeads {
      let start = (head * room + positions.lowerBound) * width
      HalfPrecision.bfloat16(source + start, count: positions.count * width, to: target + start)
    }
  }

  /// Copies a query or key to its place, turned if it is not yet.
  private var placement: @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  {
    guard let rotary else {
      let d = headDimension
      return { source, target, _ in target.update(from: source, count: d) }
    }
    return { source, target, position in rotary.rotate(source, to: target, position: position) }
  }

  /// - Parameters:
  ///   - block: Positions of queries.
  ///   - room: As in ``arrange(_:positions:room:)``.
  ///   - y: Written, the rows of this block.
  private func attend(
    _ block: Range<Int>, room: Int, to y: UnsafeMutablePointer<Float>
  ) {
    let (d, dv, repeats) = (headDimension, valueDimension, repeats)
    let (rows, seen) = (block.count * repeats, block.upperBound)
    let scores = scores.reserve(keyValueHeads * rows * seen)
    let outputs = outputs.reserve(keyValueHeads * rows * dv)
    let queryStrides = BatchedProduct.Strides(batch: room * repeats * d, row: d)
    let keyStrides = BatchedProduct.Strides(batch: room * d, row: 1, column: d)
    let valueStrides = BatchedProduct.Strides(batch: room * dv, row: dv)
    let scoreStrides = BatchedProduct.Strides(batch: rows * seen, row: seen)
    let outputStrides = BatchedProduct.Strides(batch: rows * dv, row: dv)
    let offset = block.lowerBound * repeats * d
    switch precision {
    case .f32:
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: d, columns: seen,
        queries.reserve(0) + offset, queryStrides, keys.reserve(0), keyStrides,
        into: scores, scoreStrides)
      softmax(scores, block: block, half: nil)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: seen, columns: dv,
        scores, scoreStrides, values.reserve(0), valueStrides, into: outputs, outputStrides)
    case .bf16:
      let half = probabilities.reserve(keyValueHeads * rows * seen)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: d, columns: seen,
        halfQueries.reserve(0) + offset, queryStrides, halfKeys.reserve(0), keyStrides,
        into: scores, scoreStrides)
      softmax(scores, block: block, half: half)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: seen, columns: dv,
        half, scoreStrides, halfValues.reserve(0), valueStrides, into: outputs, outputStrides)
    }
    gather(outputs, rows: block.count, to: y)
  }

  /// Softmax over the keys that a query may see, zeros behind; also rounded to `half` if given.
  private func softmax(
    _ scores: UnsafeMutablePointer<Float>, block: Range<Int>, half: UnsafeMutablePointer<UInt16>?
  ) {
    let (repeats, seen) = (repeats, block.upperBound)
    let scale = scale
    // SAFETY: every chunk reads and writes its own rows.
    nonisolated(unsafe) let (scores, half) = (scores, half)
    forEachChunk(of: keyValueHeads * block.count * repeats, size: 32) { range in
      for index in range {
        let position = block.lowerBound + index / repeats % block.count
        let row = scores + index * seen
        VectorMath.softmax(row, count: position + 1, scale: scale)
        (row + position + 1).update(repeating: 0, count: seen - position - 1)
        guard let half else { continue }
        let target = half + index * seen
        for i in 0..<seen { target[i] = HalfPrecision.bfloat16(row[i]) }
      }
    }
  }

  /// From `[kvHeads, rows, repeats, d]` to rows of concatenated heads.
  private func gather(
    _ outputs: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>
  ) {
    let (d, repeats) = (valueDimension, repeats)
    for group in 0..<keyValueHeads {
      for row in 0..<rows {
        (y + (row * heads + group * repeats) * d).update(
          from: outputs + (group * rows + row) * repeats * d, count: repeats * d)
      }
    }
  }
}
