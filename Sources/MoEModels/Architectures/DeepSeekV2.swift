import Checkpoints

/// Latent attention; shared experts beside the routed ones; the first layers are dense.
///
/// - SeeAlso: DeepSeek-AI 2024, "DeepSeek-V2", arXiv:2405.04434.
enum DeepSeekV2: ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout {
    let layer = "model.layers.\(index)"
    return LayerLayout(
      attentionNorm: NormTensor("\(layer).input_layernorm", c.hiddenSize),
      attention: .latent(attention("\(layer).self_attn", of: c)),
      feedForwardNorm: NormTensor("\(layer).post_attention_layernorm", c.hiddenSize),
      feedForward: feedForward("\(layer).mlp", layer: index, of: c))
  }

  private static func attention(_ block: String, of c: ModelConfiguration) -> LatentLayout {
    guard let shape = c.attention.latent else {
      preconditionFailure("DeepSeek-V2 without latent attention")
    }
    let (heads, bias) = (c.attention.headCount, c.attention.inputBias)
    return LatentLayout(
      shape: shape,
      query: query(block, shape, of: c),
      keyValueDown: LinearTensors(
        "\(block).kv_a_proj_with_mqa", from: c.hiddenSize,
        to: shape.keyValueRank + shape.rotaryDimension, bias: bias),
      keyValueNorm: NormTensor("\(block).kv_a_layernorm", shape.keyValueRank),
      keyValueUp: LinearTensors(
        "\(block).kv_b_proj", from: shape.keyValueRank,
        to: heads * (shape.plainDimension + shape.valueDimension)),
      output: LinearTensors(
        "\(block).o_proj", from: heads * shape.valueDimension, to: c.hiddenSize,
        bias: c.attention.outputBias))
  }

  private static func query(
    _ block: String, _ shape: LatentConfiguration, of c: ModelConfiguration
  ) -> LatentLayout.Query {
    let width = c.attention.headCount * c.attention.headDimension
    guard let rank = shape.queryRank else {
      return .direct(LinearTensors("\(block).q_proj", from: c.hiddenSize, to: width))
    }
    return .lowRank(
      down: LinearTensors(
        "\(block).q_a_proj", from: c.hiddenSize, to: rank, bias: c.attention.inputBias),
      norm: NormTensor("\(block).q_a_layernorm", rank),
      up: LinearTensors("\(block).q_b_proj", from: rank, to: width))
  }

  private static func feedForward(
    _ block: String, layer: Int, of c: ModelConfiguration
  ) -> FeedForwardLayout {
    guard let routing = c.mixture(ofLayer: layer) else {
      return .dense(GatedTensors(block, hidden: c.hiddenSize, width: c.denseWidth ?? 0))
    }
    var mixture = MixtureLayout(block, routing, hidden: c.hiddenSize)
    mixture.shared = routing.sharedWidth.map {
      GatedTensors("\(block).shared_experts", hidden: c.hiddenSize, width: $0)
    }
    return .mixture(mixture)
  }
}
