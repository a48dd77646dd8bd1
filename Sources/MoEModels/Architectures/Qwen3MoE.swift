import Checkpoints

/// Every head's queries and keys are normalized; no shared expert.
///
/// - SeeAlso: Qwen Team 2025, "Qwen3 Technical Report", arXiv:2505.09388.
enum Qwen3MoE: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .groupedQuery(attention("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: feedForward("\(layer).mlp", layer: index, of: c))
  }

  private static func attention(_ block: String, of c: ModelConfiguration) -> GroupedQueryLayout {
    var attention = GroupedQueryLayout(block, of: c)
    attention.queryNorm = NormTensor("\(block).q_norm", c.attention.headDimension)
    attention.keyNorm = NormTensor("\(block).k_norm", c.attention.headDimension)
    return attention
  }

  private static func feedForward(
    _ block: String, layer: Int, of c: ModelConfiguration
  ) -> FeedForwardLayout {
    guard let routing = c.mixture(ofLayer: layer) else {
      return .dense(GatedTensors(block, hidden: c.hiddenSize, width: c.denseWidth ?? 0))
    }
    return .mixture(MixtureLayout(block, routing, hidden: c.hiddenSize))
  }
}
