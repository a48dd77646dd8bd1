import Tensors

/// Grouped-query causal attention over whole sequences, without a cache.
///
/// A sequence is copied head-major (queries of one key/value head together), then blocks of queries
/// see only the keys up to their end, which saves almost half of the products.
final class CausalAttention {
  private let heads: Int
  private let keyValueHeads: Int
  private let headDimension: Int
  private let rotary: RotaryEmbedding
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

  init(
    heads: Int, keyValueHeads: Int, headDimension: Int, rotary: RotaryEmbedding,
    precision: Precision
  ) {
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    self.rotary = rotary
    self.precision = precision
  }

  /// - Parameters:
  ///   - projected: q, k, v of one sequence side by side,
  ///     `[length, (heads + 2 · keyValueHeads) · headDimension]`.
  ///   - length: Tokens of the sequence.
  ///   - y: Written, `[length, heads · headDimension]`.
  func apply(
    _ projected: UnsafePointer<Float>, length: Int, to y: UnsafeMutablePointer<Float>
  ) {
    arrange(projected, length: length)
    for start in stride(from: 0, to: length, by: queryBlock) {
      attend(start..<min(start + queryBlock, length), length: length, to: y)
    }
  }

  private var repeats: Int { heads / keyValueHeads }

  /// Rotates q and k and lays all three out head-major: q `[kvHeads, length, repeats, d]`,
  /// k and v `[kvHeads, length, d]`.
  private func arrange(_ projected: UnsafePointer<Float>, length: Int) {
    let (d, repeats, kvHeads) = (headDimension, repeats, keyValueHeads)
    let width = (heads + 2 * kvHeads) * d
    // SAFETY: every chunk of positions writes its own places of q, k and v.
    nonisolated(unsafe) let q = queries.reserve(length * heads * d)
    nonisolated(unsafe) let k = keys.reserve(length * kvHeads * d)
    nonisolated(unsafe) let v = values.reserve(length * kvHeads * d)
    nonisolated(unsafe) let projected = projected
    let (rotary, heads) = (rotary, heads)
    forEachChunk(of: length, size: 64) { range in
      for position in range {
        let row = projected + position * width
        for head in 0..<heads {
          let target = q + ((head / repeats * length + position) * repeats + head % repeats) * d
          rotary.rotate(row + head * d, to: target, position: position)
        }
        for head in 0..<kvHeads {
          let target = (head * length + position) * d
          rotary.rotate(row + (heads + head) * d, to: k + target, position: position)
          (v + target).update(from: row + (heads + kvHeads + head) * d, count: d)
        }
      }
    }
    guard precision == .bf16 else { return }
    HalfPrecision.bfloat16(
      q, count: length * heads * d, to: halfQueries.reserve(length * heads * d))
    HalfPrecision.bfloat16(
      k, count: length * kvHeads * d, to: halfKeys.reserve(length * kvHeads * d))
    HalfPrecision.bfloat16(
      v, count: length * kvHeads * d, to: halfValues.reserve(length * kvHeads * d))
  }

  private func attend(
    _ block: Range<Int>, length: Int, to y: UnsafeMutablePointer<Float>
  ) {
    let (d, repeats) = (headDimension, repeats)
    let (rows, seen) = (block.count * repeats, block.upperBound)
    let scores = scores.reserve(keyValueHeads * rows * seen)
    let outputs = outputs.reserve(keyValueHeads * rows * d)
    let queryStrides = BatchedProduct.Strides(batch: length * repeats * d, row: d)
    let keyStrides = BatchedProduct.Strides(batch: length * d, row: 1, column: d)
    let valueStrides = BatchedProduct.Strides(batch: length * d, row: d)
    let scoreStrides = BatchedProduct.Strides(batch: rows * seen, row: seen)
    let outputStrides = BatchedProduct.Strides(batch: rows * d, row: d)
    let offset = block.lowerBound * repeats * d
    switch precision {
    case .f32:
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: d, columns: seen,
        queries.reserve(0) + offset, queryStrides, keys.reserve(0), keyStrides,
        into: scores, scoreStrides)
      softmax(scores, block: block, half: nil)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: seen, columns: d,
        scores, scoreStrides, values.reserve(0), valueStrides, into: outputs, outputStrides)
    case .bf16:
      let half = probabilities.reserve(keyValueHeads * rows * seen)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: d, columns: seen,
        halfQueries.reserve(0) + offset, queryStrides, halfKeys.reserve(0), keyStrides,
        into: scores, scoreStrides)
      softmax(scores, block: block, half: half)
      BatchedProduct.multiply(
        batch: keyValueHeads, rows: rows, inner: seen, columns: d,
        half, scoreStrides, halfValues.reserve(0), valueStrides, into: outputs, outputStrides)
    }
    gather(outputs, block: block, to: y)
  }

  /// Softmax over the keys that a query may see, zeros behind; also rounded to `half` if given.
  private func softmax(
    _ scores: UnsafeMutablePointer<Float>, block: Range<Int>, half: UnsafeMutablePointer<UInt16>?
  ) {
    let (repeats, seen) = (repeats, block.upperBound)
    let scale = 1 / Float(headDimension).squareRoot()
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
    let (d, repeats) = (headDimension, repeats)
    for group in 0..<keyValueHeads {
      for (row, position) in block.enumerated() {
        (y + (position * heads + group * repeats) * d).update(
          from: outputs + (group * block.count + row) * repeats * d, count: repeats * d)
      }
    }
  }
}
