import Checkpoints

/// A dense model whose q, k and v have biases.
///
/// - SeeAlso: Yang et al. 2024, "Qwen2 Technical Report", arXiv:2407.10671.
enum Qwen2: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .groupedQuery(GroupedQueryLayout("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: .dense(
        GatedTensors("\(layer).mlp", hidden: c.hiddenSize, width: c.denseWidth ?? 0)))
  }
}
