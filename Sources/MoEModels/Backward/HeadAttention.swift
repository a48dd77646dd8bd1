import Tensors

/// Causal attention of heads over whole sequences, both ways, in f32.
///
/// Blocks of queries see the keys up to their end. The weights of attention are not kept but computed
/// again on the way back: they would take tokens² numbers a head.
struct HeadAttention: Sendable {
  let heads: Int
  let keyValueHeads: Int
  /// Channels of a query, key or value.
  let dimension: Int
  /// Of the scores.
  let scale: Float

  private static let queryBlock = 128
  private var repeats: Int { heads / keyValueHeads }

  /// One key/value head of one sequence: they do not touch each other.
  private struct Part {
    let rows: Range<Int>
    let keyValueHead: Int
  }

  private func parts(_ lengths: [Int]) -> [Part] {
    var first = 0
    return lengths.flatMap { length in
      defer { first += length }
      return (0..<keyValueHeads).map { Part(rows: first..<first + length, keyValueHead: $0) }
    }
  }

  /// - Parameters:
  ///   - q: `[tokens, heads · dimension]`.
  ///   - k: `[tokens, keyValueHeads · dimension]`.
  ///   - v: As k.
  ///   - lengths: Of the sequences.
  /// - Returns: `[tokens, heads · dimension]`.
  func outputs(q: Matrix, k: Matrix, v: Matrix, lengths: [Int]) -> Matrix {
    var result = Matrix(rows: q.rows, columns: q.columns)
    let parts = parts(lengths)
    withPointers(q, k, v) { q, k, v in
      result.storage.withUnsafeMutableBufferPointer { result in
        guard let base = result.baseAddress else { return }
        // SAFETY: a part writes the columns of its heads in the rows of its sequence.
        nonisolated(unsafe) let (q, k, v, y) = (q, k, v, base)
        forEachChunk(of: parts.count, size: 1) { range in
          for part in range { attend(parts[part], q, k, v, to: y) }
        }
      }
    }
    return result
  }

  /// The way back: with P the weights of attention and O = P V,
  ///
  ///     dV = Pᵀ dO,  dP = dO Vᵀ,  dS = P ⊙ (dP - rowsum(P ⊙ dP)),  dQ = scale dS K,  dK = scale dSᵀ Q
  ///
  /// - Parameters:
  ///   - slope: Of ``outputs(q:k:v:lengths:)``.
  ///   - q: As there.
  ///   - k: As there.
  ///   - v: As there.
  ///   - lengths: As there.
  /// - Returns: Slopes of q, k and v.
  func slopes(
    of slope: Matrix, q: Matrix, k: Matrix, v: Matrix, lengths: [Int]
  ) -> (q: Matrix, k: Matrix, v: Matrix) {
    var (dq, dk, dv) = (
      Matrix(rows: q.rows, columns: q.columns), Matrix(rows: k.rows, columns: k.columns),
      Matrix(rows: v.rows, columns: v.columns)
    )
    let parts = parts(lengths)
    withPointers(q, k, v) { q, k, v in
      slope.storage.withUnsafeBufferPointer { slope in
        dq.storage.withUnsafeMutableBufferPointer { dq in
          dk.storage.withUnsafeMutableBufferPointer { dk in
            dv.storage.withUnsafeMutableBufferPointer { dv in
              guard let slope = slope.baseAddress, let dq = dq.baseAddress,
                let dk = dk.baseAddress, let dv = dv.baseAddress
              else { return }
              // SAFETY: as in ``outputs(q:k:v:lengths:)``; the heads that share a key are one part.
              nonisolated(unsafe) let (operands, targets) = ((q, k, v, slope), (dq, dk, dv))
              forEachChunk(of: parts.count, size: 1) { range in
                for part in range { goBack(parts[part], operands, targets) }
              }
            }
          }
        }
      }
    }
    return (dq, dk, dv)
  }

  private func withPointers(
    _ q: Matrix, _ k: Matrix, _ v: Matrix,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>) -> Void
  ) {
    q.storage.withUnsafeBufferPointer { q in
      k.storage.withUnsafeBufferPointer { k in
        v.storage.withUnsafeBufferPointer { v in
          guard let q = q.baseAddress, let k = k.baseAddress, let v = v.baseAddress else { return }
          body(q, k, v)
        }
      }
    }
  }
}

// MARK: One part

extension HeadAttention {
  private typealias Source = UnsafePointer<Float>
  private typealias Target = UnsafeMutablePointer<Float>

  private var queryStride: Int { heads * dimension }
  private var keyStride: Int { keyValueHeads * dimension }

  private func attend(
    _ part: Part, _ q: Source, _ k: Source, _ v: Source, to y: Target
  ) {
    let keys = part.rows.lowerBound * keyStride + part.keyValueHead * dimension
    forEachBlock(of: part) { block, queries, weights, _ in
      let seen = block.upperBound
      fill(weights, block, queries: q + queries, keys: k + keys)
      DenseProduct.multiply(
        rows: block.count, inner: seen, columns: dimension, .init(weights, stride: seen),
        .init(v + keys, stride: keyStride), into: y + queries, stride: queryStride)
    }
  }

  private func goBack(
    _ part: Part, _ operands: (q: Source, k: Source, v: Source, slope: Source),
    _ targets: (q: Target, k: Target, v: Target)
  ) {
    let keys = part.rows.lowerBound * keyStride + part.keyValueHead * dimension
    forEachBlock(of: part) { block, queries, weights, slopes in
      let (rows, seen) = (block.count, block.upperBound)
      fill(weights, block, queries: operands.q + queries, keys: operands.k + keys)
      DenseProduct.multiply(
        rows: seen, inner: rows, columns: dimension,
        .init(weights, stride: seen, transposed: true),
        .init(operands.slope + queries, stride: queryStride), keeping: 1,
        into: targets.v + keys, stride: keyStride)
      DenseProduct.multiply(
        rows: rows, inner: dimension, columns: seen,
        .init(operands.slope + queries, stride: queryStride),
        .init(operands.v + keys, stride: keyStride, transposed: true), into: slopes, stride: seen)
      passSoftmax(weights, slopes, rows: rows, seen: seen)
      DenseProduct.multiply(
        rows: rows, inner: seen, columns: dimension, .init(slopes, stride: seen),
        .init(operands.k + keys, stride: keyStride), scale: scale, into: targets.q + queries,
        stride: queryStride)
      DenseProduct.multiply(
        rows: seen, inner: rows, columns: dimension,
        .init(slopes, stride: seen, transposed: true),
        .init(operands.q + queries, stride: queryStride), scale: scale, keeping: 1,
        into: targets.k + keys, stride: keyStride)
    }
  }

  /// Blocks of queries of the heads that read the part's keys.
  ///
  /// - Parameters:
  ///   - part: A key/value head of a sequence.
  ///   - body: Gets positions of queries, where the first of them lies, and two places for
  ///     `[block.count, block.upperBound]` numbers.
  private func forEachBlock(
    of part: Part, _ body: (Range<Int>, Int, Target, Target) -> Void
  ) {
    let length = part.rows.count
    let room = min(length, Self.queryBlock) * length
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * room) { scratch in
      guard let weights = scratch.baseAddress else { return }
      for head in part.keyValueHead * repeats..<(part.keyValueHead + 1) * repeats {
        for start in stride(from: 0, to: length, by: Self.queryBlock) {
          let block = start..<min(start + Self.queryBlock, length)
          body(
            block, (part.rows.lowerBound + start) * queryStride + head * dimension, weights,
            weights + room)
        }
      }
    }
  }

  /// Softmax of the scaled scores over the keys that a query may see, zeros behind.
  private func fill(_ weights: Target, _ block: Range<Int>, queries: Source, keys: Source) {
    let seen = block.upperBound
    DenseProduct.multiply(
      rows: block.count, inner: dimension, columns: seen, .init(queries, stride: queryStride),
      .init(keys, stride: keyStride, transposed: true), into: weights, stride: seen)
    for (row, position) in block.enumerated() {
      let scores = weights + row * seen
      VectorMath.softmax(scores, count: position + 1, scale: scale)
      (scores + position + 1).update(repeating: 0, count: seen - position - 1)
    }
  }

  /// dS from P and dP, over dP.
  private func passSoftmax(_ weights: Source, _ slopes: Target, rows: Int, seen: Int) {
    for row in 0..<rows {
      let (p, d) = (weights + row * seen, slopes + row * seen)
      var dot: Float = 0
      for i in 0..<seen { dot += p[i] * d[i] }
      for i in 0..<seen { d[i] = p[i] * (d[i] - dot) }
    }
  }
}
