import Tensors

/// The attention of a layer, from the normalized residual stream to what is added to it.
protocol AttentionBlock: AnyObject {
  /// Weights that one token reads, in bytes.
  var bytes: Int { get }
  /// - Parameters:
  ///   - n: Normalized residual stream, `[batch.tokens, hidden]`, with room for padded rows.
  ///   - batch: Where sequences begin and end.
  ///   - y: Written, `[batch.tokens, hidden]`, with room for padded rows.
  ///   - tap: Is shown the inputs of the projections.
  func apply(
    _ n: UnsafeMutablePointer<Float>, batch: SequenceBatch, to y: UnsafeMutablePointer<Float>,
    tap: (any LayerTap)?)
}

/// Queries, keys and values projected from the residual stream.
final class GroupedQueryAttention: AttentionBlock {
  private let heads: Int
  private let keyValueHeads: Int
  private let headDimension: Int
  /// q, k and v stacked: `[(heads + 2 · keyValueHeads) · headDimension, hidden]`.
  private let queryKeyValue: Linear
  private let queryNorm: RMSNorm?
  private let keyNorm: RMSNorm?
  private let clip: Float?
  private let attention: CausalAttention
  private let output: Linear

  private let projected = ScratchBuffer<Float>()
  private let attended = ScratchBuffer<Float>()
  private let half = ScratchBuffer<UInt16>()

  init(
    _ layout: GroupedQueryLayout, source: some WeightSource, rotary: RotaryEmbedding,
    precision: Precision
  ) throws {
    let c = source.configuration
    (heads, keyValueHeads) = (c.attention.headCount, c.attention.keyValueHeadCount)
    headDimension = c.attention.headDimension
    queryKeyValue = try Linear(
      [layout.query, layout.key, layout.value], source: source, precision: precision)
    queryNorm = try layout.queryNorm.map {
      try RMSNorm($0, source: source, epsilon: c.normEpsilon)
    }
    keyNorm = try layout.keyNorm.map { try RMSNorm($0, source: source, epsilon: c.normEpsilon) }
    clip = c.attention.clip
    attention = CausalAttention(
      heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension,
      valueDimension: headDimension, scale: 1 / Float(headDimension).squareRoot(), rotary: rotary,
      precision: precision)
    output = try Linear([layout.output], source: source, precision: precision)
  }

  var bytes: Int { queryKeyValue.bytes + output.bytes }

  func apply(
    _ n: UnsafeMutablePointer<Float>, batch: SequenceBatch, to y: UnsafeMutablePointer<Float>,
    tap: (any LayerTap)?
  ) {
    let (tokens, padded) = (batch.tokens, LinearWeights.paddedRows(batch.tokens))
    tap?.observe(.queryKeyValue, n, rows: tokens, columns: queryKeyValue.columns, weights: nil)
    let qkv = projected.reserve(padded * queryKeyValue.rows)
    queryKeyValue.apply(n, rows: tokens, to: qkv, scratch: half)
    normalizeHeads(qkv, tokens: tokens)
    if let clip { clamp(qkv, count: tokens * queryKeyValue.rows, to: clip) }
    let heads = attended.reserve(padded * output.columns)
    attention.apply(qkv, batch: batch, to: heads)
    tap?.observe(.attentionOutput, heads, rows: tokens, columns: output.columns, weights: nil)
    output.apply(heads, rows: tokens, to: y, scratch: half)
  }

  /// Over all heads together or each alone, as wide as the norm's weight is.
  private func normalizeHeads(_ qkv: UnsafeMutablePointer<Float>, tokens: Int) {
    for (norm, start, count) in [
      (queryNorm, 0, heads), (keyNorm, heads, keyValueHeads),
    ] {
      guard let norm else { continue }
      for head in stride(from: 0, to: count, by: norm.weight.count / headDimension) {
        let part = qkv + (start + head) * headDimension
        norm.apply(
          part, rows: tokens, stride: queryKeyValue.rows, to: part,
          targetStride: queryKeyValue.rows)
      }
    }
  }

  private func clamp(_ x: UnsafeMutablePointer<Float>, count: Int, to limit: Float) {
    for i in 0..<count { x[i] = min(max(x[i], -limit), limit) }
  }
}
