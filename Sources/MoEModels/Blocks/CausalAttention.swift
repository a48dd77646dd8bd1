import Tensors

/// Grouped-query causal attention over whole sequences, or over what follows cached ones.
///
/// A sequence is copied head-major (queries of one key/value head together), then blocks of queries
/// see only the keys up to their end, which saves almost half of the products. Branches of a tree
/// are copied behind the trunk one after the other, each over the one before: to its queries a branch
/// and the trunk are one sequence. Their products, of as many shapes as there are lengths, need no
/// primitive of their own; those of whole sequences keep the sums that they always had.
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
  ///   - batch: Where sequences begin and end, and what went before them.
  ///   - y: Written, `[batch.tokens, heads · valueDimension]`.
  func apply(
    _ projected: UnsafePointer<Float>, batch: SequenceBatch, to y: UnsafeMutablePointer<Float>
  ) {
    var first = 0
    for (index, shape) in batch.shapes.enumerated() {
      let start = batch.starts[index]
      let places = places(
        room: batch.stores?[index].room ?? shape.longest, store: batch.stores?[index],
        isBranched: !shape.branches.isEmpty)
      attend(start..<start + shape.trunk, firstRow: first, projected, places, to: y)
      first += shape.trunk
      for branch in shape.branches {
        attend(shape.trunk..<shape.trunk + branch, firstRow: first, projected, places, to: y)
        first += branch
      }
    }
  }

  /// Where the head-major copies of a sequence lie.
  private struct Places: @unchecked Sendable {
    // SAFETY: loops over these split positions or heads between threads.
    /// Positions that the copies have room for.
    let room: Int
    /// `[kvHeads, room, repeats, d]`.
    let queries: UnsafeMutablePointer<Float>
    /// `[kvHeads, room, d]`.
    let keys: UnsafeMutablePointer<Float>
    /// `[kvHeads, room, valueDimension]`.
    let values: UnsafeMutablePointer<Float>
    /// The same in bfloat16, if products are.
    let halfQueries: UnsafeMutablePointer<UInt16>
    let halfKeys: UnsafeMutablePointer<UInt16>
    let halfValues: UnsafeMutablePointer<UInt16>
    /// Whether keys and values stay for the tokens that follow.
    let areKept: Bool
    let isBranched: Bool
  }

  private func places(room: Int, store: KeyValueStore?, isBranched: Bool) -> Places {
    let (q, k, v) = (
      room * heads * headDimension, room * keyValueHeads * headDimension,
      room * keyValueHeads * valueDimension
    )
    let isHalf = precision == .bf16
    return Places(
      room: room, queries: queries.reserve(q), keys: store?.keys(k) ?? keys.reserve(k),
      values: store?.values(v) ?? values.reserve(v),
      halfQueries: halfQueries.reserve(isHalf ? q : 0),
      halfKeys: store?.halfKeys(isHalf ? k : 0) ?? halfKeys.reserve(isHalf ? k : 0),
      halfValues: store?.halfValues(isHalf ? v : 0) ?? halfValues.reserve(isHalf ? v : 0),
      areKept: store != nil, isBranched: isBranched)
  }

  /// Attention of the tokens at consecutive positions to those before them, which are in place.
  ///
  /// - Parameters:
  ///   - positions: Of the tokens in their sequence.
  ///   - firstRow: Of these tokens in `projected` and `y`.
  ///   - projected: As in ``apply(_:batch:to:)``.
  ///   - places: Of the sequence.
  ///   - y: As in ``apply(_:batch:to:)``.
  private func attend(
    _ positions: Range<Int>, firstRow: Int, _ projected: UnsafePointer<Float>, _ places: Places,
    to y: UnsafeMutablePointer<Float>
  ) {
    arrange(projected + firstRow * inputWidth, positions: positions, places)
    if places.areKept, positions.count == 1 {
      return attend(
        at: positions.lowerBound, places, to: y + firstRow * heads * valueDimension)
    }
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: queryBlock) {
      attend(
        start..<min(start + queryBlock, positions.upperBound), places,
        to: y + (firstRow + start - positions.lowerBound) * heads * valueDimension)
    }
  }

  private var inputWidth: Int {
    (heads + keyValueHeads) * headDimension + keyValueHeads * valueDimension
  }
  private var repeats: Int { heads / keyValueHeads }

  /// Rotates q and k and lays all three out head-major.
  private func arrange(
    _ projected: UnsafePointer<Float>, positions: Range<Int>, _ places: Places
  ) {
    let (d, dv, repeats, kvHeads) = (headDimension, valueDimension, repeats, keyValueHeads)
    let (width, room) = (inputWidth, places.room)
    // SAFETY: every chunk of positions writes its own places of q, k and v.
    nonisolated(unsafe) let projected = projected
    let heads = heads
    let place = placement
    forEachChunk(of: positions.count, size: 64) { range in
      for index in range {
        let position = positions.lowerBound + index
        let row = projected + index * width
        for head in 0..<heads {
          let target =
            places.queries + ((head / repeats * room + position) * repeats + head % repeats) * d
          place(row + head * d, target, position)
        }
        for head in 0..<kvHeads {
          let target = head * room + position
          place(row + (heads + head) * d, places.keys + target * d, position)
          (places.values + target * dv).update(
            from: row + (heads + kvHeads) * d + head * dv, count: dv)
        }
      }
    }
    guard precision == .bf16 else { return }
    round(places.queries, to: places.halfQueries, positions, places, width: repeats * d)
    round(places.keys, to: places.halfKeys, positions, places, width: d)
    round(places.values, to: places.halfValues, positions, places, width: dv)
  }

  /// Rounds what every key/value head has at these positions, `width` channels each.
  ///
  /// What is kept is rounded in f32 too: a single token multiplies the same numbers as many do.
  private func round(
    _ source: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<UInt16>,
    _ positions: Range<Int>, _ places: Places, width: Int
  ) {
    for head in 0..<keyValueHeads {
      let start = (head * places.room + positions.lowerBound) * width
      let count = positions.count * width
      HalfPrecision.bfloat16(source + start, count: count, to: target + start)
      guard places.areKept else { continue }
      for i in start..<start + count {
        source[i] = Float(bitPattern: UInt32(target[i]) << 16)
      }
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
  ///   - places: Of the sequence.
  ///   - y: Written, the rows of this block.
  private func attend(
    _ block: Range<Int>, _ places: Places, to y: UnsafeMutablePointer<Float>
  ) {
    let (d, dv, repeats, room) = (headDimension, valueDimension, repeats, places.room)
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
    case .f32 where places.isBranched:
      for head in 0..<keyValueHeads {
        DenseProduct.multiply(
          rows: rows, inner: d, columns: seen,
          .init(places.queries + head * queryStrides.batch + offset, stride: d),
          .init(places.keys + head * keyStrides.batch, stride: d, transposed: true),
          into: scores + head * rows * seen, stride: seen)
      }
      softmax(scores, block: block, half: nil)
      for head in 0..<keyValueHeads {
        DenseProduct.multiply(
          rows: rows, inner: seen, columns: dv, .init(scores + head * rows * seen, stride: seen),
          .init(places.values + head * valueStrides.batch, stride: dv),
          into: outputs + head * rows * dv, stride: dv)
      }
    case .f32:
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: d, columns: seen,
        places.queries + offset, queryStrides, places.keys, keyStrides,
        into: scores, scoreStrides)
      softmax(scores, block: block, half: nil)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: seen, columns: dv,
        scores, scoreStrides, places.values, valueStrides, into: outputs, outputStrides)
    case .bf16:
      let half = probabilities.reserve(keyValueHeads * rows * seen)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: d, columns: seen,
        places.halfQueries + offset, queryStrides, places.halfKeys, keyStrides,
        into: scores, scoreStrides)
      softmax(scores, block: block, half: half)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: seen, columns: dv,
        half, scoreStrides, places.halfValues, valueStrides, into: outputs, outputStrides)
    }
    gather(outputs, rows: block.count, to: y)
  }

  /// One token after cached ones: a product a key, since a primitive for every length would not pay.
  ///
  /// - Parameters:
  ///   - position: Of the token; earlier ones are in place.
  ///   - places: Of the sequence.
  ///   - y: Written, `[heads · valueDimension]`.
  private func attend(at position: Int, _ places: Places, to y: UnsafeMutablePointer<Float>) {
    let (d, dv, repeats, seen) = (headDimension, valueDimension, repeats, position + 1)
    let (scale, isHalf, room) = (scale, precision == .bf16, places.room)
    // SAFETY: every head has its own scores and its own part of y.
    nonisolated(unsafe) let (scores, y) = (scores.reserve(heads * seen), y)
    forEachChunk(of: heads, size: max(1, (1 << 15) / (seen * (d + dv)))) { range in
      for head in range {
        let group = head / repeats
        let query = places.queries + ((group * room + position) * repeats + head % repeats) * d
        let (row, target) = (scores + head * seen, y + head * dv)
        for j in 0..<seen {
          row[j] = VectorMath.dot(query, places.keys + (group * room + j) * d, count: d)
        }
        VectorMath.softmax(row, count: seen, scale: scale)
        target.update(repeating: 0, count: dv)
        for j in 0..<seen {
          let weight =
            isHalf ? Float(bitPattern: UInt32(HalfPrecision.bfloat16(row[j])) << 16) : row[j]
          VectorMath.add(weight, places.values + (group * room + j) * dv, to: target, count: dv)
        }
      }
    }
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
