public import Checkpoints

/// A family of models: what its layers are made of.
protocol ModelFamily {
  static func layer(_ index: Int, of c: ModelConfiguration) -> LayerLayout
}

extension ModelConfiguration {
  /// What layer `index` is made of.
  public func layout(ofLayer index: Int) -> LayerLayout {
    family.layer(index, of: self)
  }

  private var family: any ModelFamily.Type {
    switch architecture {
    case .mixtral: Mixtral.self
    case .olmoe: OLMoE.self
    case .qwen2MoE: Qwen2MoE.self
    case .qwen3MoE: Qwen3MoE.self
    case .deepseekV2: DeepSeekV2.self
    case .llama: Llama.self
    case .qwen2: Qwen2.self
    }
  }
}
