import Tensors

/// Grouped-query causal attention over whole sequences, without a cache.
///
/// A sequence is copied head-major (queries of one key/value head together), then blocks of queries
/// see only the keys up to their end, which saves almost half of the products.
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
    for length in batch.lengths {
      arrange(projected + first * inputWidth, length: length)
      for start in stride(from: 0, to: length, by: queryBlock) {
        attend(
          start..<min(start + queryBlock, length), length: length,
          to: y + first * heads * valueDimension)
      }
      first += length
    }
  }

  private var inputWidth: Int {
    (heads + keyValueHeads) * headDimension + keyValueHeads * valueDimension
  }
  private var repeats: Int { heads / keyValueHeads }

  /// Rotates q and k and lays all three out head-major: q `[kvHeads, length, repeats, d]`,
  /// k `[kvHeads, length, d]`, v `[kvHeads, length, valueDimension]`.
  private func arrange(_ projected: UnsafePointer<Float>, length: Int) {
    let (d, dv, repeats, kvHeads) = (headDimension, valueDimension, repeats, keyValueHeads)
    let width = inputWidth
    // SAFETY: every chunk of positions writes its own places of q, k and v.
    nonisolated(unsafe) let q = queries.reserve(length * heads * d)
    nonisolated(unsafe) let k = keys.reserve(length * kvHeads * d)
    nonisolated(unsafe) let v = values.reserve(length * kvHeads * dv)
    nonisolated(unsafe) let projected = projected
    let heads = heads
    let place = placement
    forEachChunk(of: length, size: 64) { range in
      for position in range {
        let row = projected + position * width
        for head in 0..<heads {
          let target = q + ((head / repeats * length + position) * repeats + head % repeats) * d
          place(row + head * d, target, position)
        }
        for head in 0..<kvHeads {
          let target = head * length + position
          place(row + (heads + head) * d, k + target * d, position)
          (v + target * dv).update(from: row + (heads + kvHeads) * d + head * dv, count: dv)
        }
      }
    }
    guard precision == .bf16 else { return }
    HalfPrecision.bfloat16(
      q, count: length * heads * d, to: halfQueries.reserve(length * heads * d))
    HalfPrecision.bfloat16(
      k, count: length * kvHeads * d, to: halfKeys.reserve(length * kvHeads * d))
    HalfPrecision.bfloat16(
      v, count: length * kvHeads * dv, to: halfValues.reserve(length * kvHeads * dv))
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

  private func attend(
    _ block: Range<Int>, length: Int, to y: UnsafeMutablePointer<Float>
  ) {
    let (d, dv, repeats) = (headDimension, valueDimension, repeats)
    let (rows, seen) = (block.count * repeats, block.upperBound)
    let scores = scores.reserve(keyValueHeads * rows * seen)
    let outputs = outputs.reserve(keyValueHeads * rows * dv)
    let queryStrides = BatchedProduct.Strides(batch: length * repeats * d, row: d)
    let keyStrides = BatchedProduct.Strides(batch: length * d, row: 1, column: d)
    let valueStrides = BatchedProduct.Strides(batch: length * dv, row: dv)
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
    gather(outputs, block: block, to: y)
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

  /// From `[kvHeads, block, repeats, d]` to rows of concatenated heads.
  private func gather(
    _ outputs: UnsafePointer<Float>, block: Range<Int>, to y: UnsafeMutablePointer<Float>
  ) {
    let (d, repeats) = (valueDimension, repeats)
    for group in 0..<keyValueHeads {
      for (row, position) in block.enumerated() {
        (y + (position * heads + group * repeats) * d).update(
          from: outputs + (group * block.count + row) * repeats * d, count: repeats * d)
      }
    }
  }
}
