import Checkpoints

/// Queries and keys are normalized over all heads together; routing weights are not renormalized.
///
/// - SeeAlso: Muennighoff et al. 2024, "OLMoE: Open Mixture-of-Experts Language Models",
///   arXiv:2409.02060.
enum OLMoE: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .groupedQuery(attention("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: mixture("\(layer).mlp", of: c))
  }

  private static func attention(_ block: String, of c: ModelConfiguration) -> GroupedQueryLayout {
    var attention = GroupedQueryLayout(block, of: c)
    attention.queryNorm = NormTensor("\(block).q_norm", attention.query.rows)
    attention.keyNorm = NormTensor("\(block).k_norm", attention.key.rows)
    return attention
  }

  private static func mixture(_ block: String, of c: ModelConfiguration) -> FeedForwardLayout {
    guard let routing = c.mixture else { preconditionFailure("OLMoE without experts") }
    return .mixture(MixtureLayout(block, routing, hidden: c.hiddenSize))
  }
}
