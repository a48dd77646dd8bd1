import Checkpoints

/// Top-2 of 8 experts, their probabilities renormalized.
///
/// - SeeAlso: Jiang et al. 2024, "Mixtral of Experts", arXiv:2401.04088.
enum Mixtral: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .groupedQuery(GroupedQueryLayout("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: mixture("\(layer).block_sparse_moe", of: c))
  }

  private static func mixture(_ block: String, of c: ModelConfiguration) -> FeedForwardLayout {
    guard let routing = c.mixture else { preconditionFailure("Mixtral without experts") }
    return .mixture(
      MixtureLayout(
        routing: routing,
        router: LinearTensors("\(block).gate", from: c.hiddenSize, to: routing.expertCount),
        experts: (0..<routing.expertCount).map { index in
          let expert = "\(block).experts.\(index)"
          return GatedTensors(
            (gate: "\(expert).w1", up: "\(expert).w3", down: "\(expert).w2"),
            hidden: c.hiddenSize, width: routing.expertWidth)
        }))
  }
}
