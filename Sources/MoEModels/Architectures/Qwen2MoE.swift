import Checkpoints

/// A shared expert, scaled by a sigmoid gate, beside the routed ones; q, k and v have biases.
///
/// - SeeAlso: Qwen Team 2024, "Qwen1.5-MoE"; `Qwen2MoeForCausalLM` of `transformers`.
enum Qwen2MoE: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .groupedQuery(GroupedQueryLayout("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: feedForward("\(layer).mlp", layer: index, of: c))
  }

  private static func feedForward(
    _ block: String, layer: Int, of c: ModelConfiguration
  ) -> FeedForwardLayout {
    guard let routing = c.mixture(ofLayer: layer) else {
      return .dense(GatedTensors(block, hidden: c.hiddenSize, width: c.denseWidth ?? 0))
    }
    var mixture = MixtureLayout(block, routing, hidden: c.hiddenSize)
    mixture.shared = routing.sharedWidth.map {
      GatedTensors("\(block).shared_expert", hidden: c.hiddenSize, width: $0)
    }
    mixture.sharedGate = LinearTensors("\(block).shared_expert_gate", from: c.hiddenSize, to: 1)
    return .mixture(mixture)
  }
}
