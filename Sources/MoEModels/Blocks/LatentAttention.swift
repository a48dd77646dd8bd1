import Checkpoints
import Tensors

/// Multi-head latent attention: queries, keys and values expanded from low-rank latents; only a part
/// of each query and key rotates, and that of the keys is shared by the heads.
///
/// Computed without the absorption trick, as training does: the projections are what is quantized.
/// - SeeAlso: DeepSeek-V2, arXiv:2405.04434, §2.1.
final class LatentAttention: AttentionBlock {
  /// `transformers` leaves the latents' norms at this, whatever `rms_norm_eps` says.
  private static let latentEpsilon: Float = 1e-6

  private let heads: Int
  private let shape: LatentConfiguration
  private let rotary: RotaryEmbedding
  /// Queries (or their latent), then the latent of keys and values, then the keys' rotating part.
  private let down: Linear
  /// nil if queries are projected directly.
  private let query: (norm: RMSNorm, up: Linear)?
  private let keyValueNorm: RMSNorm
  private let keyValueUp: Linear
  private let attention: CausalAttention
  private let output: Linear

  private let latents = ScratchBuffer<Float>()
  private let normalized = ScratchBuffer<Float>()
  private let queries = ScratchBuffer<Float>()
  private let expanded = ScratchBuffer<Float>()
  private let assembled = ScratchBuffer<Float>()
  private let attended = ScratchBuffer<Float>()
  private let half = ScratchBuffer<UInt16>()

  init(
    _ layout: LatentLayout, source: some WeightSource, rotary: RotaryEmbedding,
    precision: Precision
  ) throws {
    let c = source.configuration
    (heads, shape, self.rotary) = (c.attention.headCount, layout.shape, rotary)
    switch layout.query {
    case .direct(let direct):
      down = try Linear([direct, layout.keyValueDown], source: source, precision: precision)
      query = nil
    case .lowRank(let queryDown, let norm, let up):
      down = try Linear([queryDown, layout.keyValueDown], source: source, precision: precision)
      query = (
        try RMSNorm(norm, source: source, epsilon: Self.latentEpsilon),
        try Linear([up], source: source, precision: precision)
      )
    }
    keyValueNorm = try RMSNorm(
      layout.keyValueNorm, source: source, epsilon: Self.latentEpsilon)
    keyValueUp = try Linear([layout.keyValueUp], source: source, precision: precision)
    attention = CausalAttention(
      heads: heads, keyValueHeads: heads, headDimension: c.attention.headDimension,
      valueDimension: shape.valueDimension, scale: Self.scale(c), rotary: nil,
      precision: precision)
    output = try Linear([layout.output], source: source, precision: precision)
  }

  var bytes: Int { down.bytes + (query?.up.bytes ?? 0) + keyValueUp.bytes + output.bytes }

  private static func scale(_ c: ModelConfiguration) -> Float {
    let plain = 1 / Double(c.attention.headDimension).squareRoot()
    guard case .yarn(let yarn) = c.rotary.scaling else { return Float(plain) }
    return Float(plain * yarn.scoreFactor)
  }

  func apply(
    _ n: UnsafeMutablePointer<Float>, batch: SequenceBatch, to y: UnsafeMutablePointer<Float>,
    tap: (any LayerTap)?
  ) {
    let (tokens, padded) = (batch.tokens, LinearWeights.paddedRows(batch.tokens))
    tap?.observe(.queryKeyValue, n, rows: tokens, columns: down.columns, weights: nil)
    let low = latents.reserve(padded * down.rows)
    down.apply(n, rows: tokens, to: low, scratch: half)
    let (q, stride) = expandQueries(low, tokens: tokens, tap: tap)
    let latent = low + (down.rows - shape.keyValueRank - shape.rotaryDimension)
    let kv = expandKeysAndValues(latent, tokens: tokens, tap: tap)
    let qkv = assembled.reserve(padded * heads * (2 * keyDimension + shape.valueDimension))
    assemble(
      q, stride: stride, kv, rotatingKeys: latent + shape.keyValueRank, batch: batch, to: qkv)
    let result = attended.reserve(padded * output.columns)
    attention.apply(qkv, batch: batch, to: result)
    tap?.observe(.attentionOutput, result, rows: tokens, columns: output.columns, weights: nil)
    output.apply(result, rows: tokens, to: y, scratch: half)
  }

  private var keyDimension: Int { shape.plainDimension + shape.rotaryDimension }

  private func expandQueries(
    _ low: UnsafeMutablePointer<Float>, tokens: Int, tap: (any LayerTap)?
  ) -> (UnsafePointer<Float>, stride: Int) {
    guard let query else { return (UnsafePointer(low), down.rows) }
    let padded = LinearWeights.paddedRows(tokens)
    let n = normalized.reserve(padded * query.up.columns)
    query.norm.apply(low, rows: tokens, stride: down.rows, to: n)
    tap?.observe(.queryLatent, n, rows: tokens, columns: query.up.columns, weights: nil)
    let q = queries.reserve(padded * query.up.rows)
    query.up.apply(n, rows: tokens, to: q, scratch: half)
    return (UnsafePointer(q), query.up.rows)
  }

  private func expandKeysAndValues(
    _ latent: UnsafeMutablePointer<Float>, tokens: Int, tap: (any LayerTap)?
  ) -> UnsafePointer<Float> {
    let padded = LinearWeights.paddedRows(tokens)
    let n = normalized.reserve(padded * keyValueUp.columns)
    keyValueNorm.apply(latent, rows: tokens, stride: down.rows, to: n)
    tap?.observe(.keyValueLatent, n, rows: tokens, columns: keyValueUp.columns, weights: nil)
    let kv = expanded.reserve(padded * keyValueUp.rows)
    keyValueUp.apply(n, rows: tokens, to: kv, scratch: half)
    return UnsafePointer(kv)
  }

  /// q, k and v of every token side by side, as ``CausalAttention`` reads them.
  private func assemble(
    _ queries: UnsafePointer<Float>, stride: Int, _ keysAndValues: UnsafePointer<Float>,
    rotatingKeys: UnsafePointer<Float>, batch: SequenceBatch,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (plain, value, key) = (shape.plainDimension, shape.valueDimension, keyDimension)
    let width = heads * (2 * key + value)
    for (token, position) in batch.positions.enumerated() {
      let (q, kv) = (
        queries + token * stride, keysAndValues + token * heads * (plain + value)
      )
      let row = target + token * width
      for head in 0..<heads {
        let (toQuery, toKey) = (row + head * key, row + (heads + head) * key)
        toQuery.update(from: q + head * key, count: plain)
        rotary.rotateInterleaved(
          q + head * key + plain, to: toQuery + plain, position: position)
        toKey.update(from: kv + head * (plain + value), count: plain)
        rotary.rotateInterleaved(
          rotatingKeys + token * down.rows, to: toKey + plain, position: position)
        (row + 2 * heads * key + head * value).update(
          from: kv + head * (plain + value) + plain, count: value)
      }
    }
  }
}
