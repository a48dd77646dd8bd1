import Checkpoints

/// A dense model: one MLP for all tokens.
///
/// - SeeAlso: Touvron et al. 2023, "Llama 2", arXiv:2307.09288.
enum Llama: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .groupedQuery(GroupedQueryLayout("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: .dense(
        GatedTensors(
          "\(layer).mlp", hidden: c.hiddenSize, width: c.denseWidth ?? 0, bias: c.denseBias)))
  }
}
