import Checkpoints
import Tensors

/// One decoder layer of Mixtral.
///
///     x += o(attention(q, k, v of norm(x)))
///     x += Σ over top-2 experts of weight · down(silu(gate n) · up n),  n = norm(x)
///
/// - SeeAlso: Jiang et al. 2024, "Mixtral of Experts", arXiv:2401.04088.
final class MixtralLayer: DecoderLayer {
  private let configuration: ModelConfiguration
  private let attentionNorm: RMSNorm
  /// q, k and v stacked: `[(heads + 2 · keyValueHeads) · headDimension, hidden]`.
  private let queryKeyValue: LinearWeights
  private let attentionOutput: LinearWeights
  private let attention: CausalAttention
  private let expertNorm: RMSNorm
  private let router: Router
  private let experts: [Expert]

  private let normalized = ScratchBuffer<Float>()
  private let projected = ScratchBuffer<Float>()
  private let mixed = ScratchBuffer<Float>()
  private let half = ScratchBuffer<UInt16>()

  init(index: Int, source: some WeightSource, rotary: RotaryEmbedding, precision: Precision) throws
  {
    let c = source.configuration
    let keys = MixtralKeys(layer: index)
    let (queryWidth, keyValueWidth) = (
      c.attentionHeadCount * c.headDimension, c.keyValueHeadCount * c.headDimension
    )
    configuration = c
    attentionNorm = RMSNorm(
      weight: try source.vector(keys.attentionNorm, count: c.hiddenSize),
      epsilon: c.normEpsilon)
    queryKeyValue = LinearWeights(
      stacking: [
        try source.matrix(keys.query, rows: queryWidth, columns: c.hiddenSize),
        try source.matrix(keys.key, rows: keyValueWidth, columns: c.hiddenSize),
        try source.matrix(keys.value, rows: keyValueWidth, columns: c.hiddenSize),
      ], precision: precision)
    attentionOutput = LinearWeights(
      try source.matrix(keys.output, rows: c.hiddenSize, columns: queryWidth),
      precision: precision)
    attention = CausalAttention(
      heads: c.attentionHeadCount, keyValueHeads: c.keyValueHeadCount,
      headDimension: c.headDimension,
      rotary: rotary, precision: precision)
    expertNorm = RMSNorm(
      weight: try source.vector(keys.expertNorm, count: c.hiddenSize), epsilon: c.normEpsilon)
    router = Router(
      weights: LinearWeights(
        try source.matrix(keys.router, rows: c.expertCount, columns: c.hiddenSize), precision: .f32),
      topK: c.expertsPerToken, renormalizes: true)
    experts = try (0..<c.expertCount).map {
      try Expert(keys: keys.expert($0), source: source, precision: precision)
    }
    for name in keys.all(experts: c.expertCount) { source.releasePages(of: name) }
  }

  func apply(_ x: UnsafeMutablePointer<Float>, batch: SequenceBatch, tap: (any LayerTap)?) {
    attend(x, batch: batch, tap: tap)
    mixExperts(x, tokens: batch.tokens, tap: tap)
  }

  private func attend(
    _ x: UnsafeMutablePointer<Float>, batch: SequenceBatch, tap: (any LayerTap)?
  ) {
    let hidden = configuration.hiddenSize
    let (tokens, padded) = (batch.tokens, LinearWeights.paddedRows(batch.tokens))
    let n = normalized.reserve(padded * max(hidden, attentionOutput.columns))
    attentionNorm.apply(x, rows: tokens, to: n)
    tap?.observe(.queryKeyValue, n, rows: tokens, columns: hidden)
    let qkv = projected.reserve(padded * queryKeyValue.rows)
    queryKeyValue.apply(n, rows: tokens, to: qkv, scratch: half)
    var start = 0
    for length in batch.lengths {
      attention.apply(
        qkv + start * queryKeyValue.rows, length: length, to: n + start * attentionOutput.columns)
      start += length
    }
    tap?.observe(.attentionOutput, n, rows: tokens, columns: attentionOutput.columns)
    let y = mixed.reserve(padded * hidden)
    attentionOutput.apply(n, rows: tokens, to: y, scratch: half)
    add(y, to: x, count: tokens * hidden)
  }

  private func mixExperts(
    _ x: UnsafeMutablePointer<Float>, tokens: Int, tap: (any LayerTap)?
  ) {
    let hidden = configuration.hiddenSize
    let padded = LinearWeights.paddedRows(tokens)
    let n = normalized.reserve(padded * hidden)
    expertNorm.apply(x, rows: tokens, to: n)
    let routing = router.route(n, tokens: tokens, scratch: half)
    tap?.observe(routing)
    let y = mixed.reserve(padded * hidden)
    y.update(repeating: 0, count: tokens * hidden)
    let routed = routing.byExpert(count: experts.count)
    for (index, expert) in experts.enumerated() {
      expert.apply(
        n, routed: routed[index], addingTo: y, expert: index, tap: tap, half: half)
    }
    tap?.observe(moeOutput: y, rows: tokens, columns: hidden)
    add(y, to: x, count: tokens * hidden)
  }
}

/// Names of a layer's tensors in the checkpoint.
public struct MixtralKeys: Sendable {
  public let attentionNorm, query, key, value, output, expertNorm, router: String
  private let prefix: String

  public init(layer: Int) {
    prefix = "model.layers.\(layer)"
    attentionNorm = "\(prefix).input_layernorm.weight"
    query = "\(prefix).self_attn.q_proj.weight"
    key = "\(prefix).self_attn.k_proj.weight"
    value = "\(prefix).self_attn.v_proj.weight"
    output = "\(prefix).self_attn.o_proj.weight"
    expertNorm = "\(prefix).post_attention_layernorm.weight"
    router = "\(prefix).block_sparse_moe.gate.weight"
  }

  /// w1 is gate, w3 is up, w2 is down.
  public func expert(_ index: Int) -> (gate: String, up: String, down: String) {
    let expert = "\(prefix).block_sparse_moe.experts.\(index)"
    return ("\(expert).w1.weight", "\(expert).w3.weight", "\(expert).w2.weight")
  }

  func all(experts: Int) -> [String] {
    [attentionNorm, query, key, value, output, expertNorm, router]
      + (0..<experts).map(expert).flatMap { [$0.gate, $0.up, $0.down] }
  }
}
