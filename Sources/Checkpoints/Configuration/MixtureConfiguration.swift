/// The experts of a model's MoE layers.
public struct MixtureConfiguration: Sendable, Equatable {
  public let expertCount: Int
  /// Experts that each token is sent to.
  public let expertsPerToken: Int
  /// Hidden width of one expert.
  public let expertWidth: Int
  /// Hidden width of the expert that sees every token; nil if there is none.
  public let sharedWidth: Int?
  /// Whether the chosen experts' probabilities are divided by their sum.
  public let renormalizes: Bool
  /// Applied to the routing weights (DeepSeek's `routed_scaling_factor`).
  public let weightScale: Float
  /// Experts are chosen from the best groups only; nil if from all.
  public let groups: RoutingGroups?
  /// Layers without experts.
  public let denseLayers: Set<Int>

  /// nil for a dense family.
  init?(
    _ keys: ConfigurationKeys, _ architecture: ModelConfiguration.Architecture, layers: Int
  ) throws(ConfigurationError) {
    let countKeys: [String]
    switch architecture {
    case .llama, .qwen2: return nil
    case .mixtral:
      countKeys = ["num_local_experts", "num_experts"]
      (expertWidth, sharedWidth) = (try keys.positive("intermediate_size"), nil)
      (renormalizes, weightScale, groups, denseLayers) = (true, 1, nil, [])
    case .olmoe:
      countKeys = ["num_experts", "num_local_experts"]
      (expertWidth, sharedWidth) = (try keys.positive("intermediate_size"), nil)
      (renormalizes, weightScale) = (try keys.flag("norm_topk_prob"), 1)
      (groups, denseLayers) = (nil, [])
    case .qwen2MoE, .qwen3MoE:
      countKeys = ["num_experts", "num_local_experts"]
      expertWidth = try keys.positive("moe_intermediate_size")
      sharedWidth =
        architecture == .qwen2MoE ? try keys.positive("shared_expert_intermediate_size") : nil
      (renormalizes, weightScale) = (try keys.flag("norm_topk_prob"), 1)
      (groups, denseLayers) = (nil, try Self.sparseStep(keys, layers: layers))
    case .deepseekV2:
      countKeys = ["n_routed_experts", "num_local_experts", "num_experts"]
      expertWidth = try keys.positive("moe_intermediate_size")
      let (width, shared) = (expertWidth, try keys.countOrNull("n_shared_experts"))
      sharedWidth = shared.map { $0 * width }
      guard sharedWidth ?? 0 <= ConfigurationKeys.largestSize else {
        throw keys.invalid(
          "n_shared_experts",
          expected: "experts of together at most \(ConfigurationKeys.largestSize) channels")
      }
      (renormalizes, weightScale) = (
        false, Float(try keys.positiveNumberOrNull("routed_scaling_factor") ?? 1)
      )
      groups = try RoutingGroups(keys)
      denseLayers = Set(0..<min(layers, try keys.countOrNull("first_k_dense_replace") ?? 0))
      try Self.checkDeepSeek(keys)
    }
    let countKey: String
    (countKey, expertCount) = try keys.positive(
      anyOf: countKeys, atMost: ConfigurationKeys.largestCount)
    guard layers * expertCount <= ConfigurationKeys.largestExpertTotal else {
      throw keys.invalid(
        countKey,
        expected: "at most \(ConfigurationKeys.largestExpertTotal) experts in all \(layers) layers")
    }
    expertsPerToken = try keys.positive("num_experts_per_tok")
    guard expertsPerToken <= expertCount else {
      throw keys.invalid("num_experts_per_tok", expected: "at most the \(expertCount) experts")
    }
    if let groups { try groups.check(keys, experts: expertCount, chosen: expertsPerToken) }
  }

  /// Qwen: every `decoder_sparse_step`-th layer has experts, but none of `mlp_only_layers`.
  private static func sparseStep(
    _ keys: ConfigurationKeys, layers: Int
  ) throws(ConfigurationError) -> Set<Int> {
    let step = try keys.positiveOrNull("decoder_sparse_step") ?? 1
    let only = Set(try keys.indices("mlp_only_layers"))
    return Set((0..<layers).filter { only.contains($0) || !($0 + 1).isMultiple(of: step) })
  }

  /// What `transformers` does not compute for DeepSeek-V2 either, or computes otherwise.
  private static func checkDeepSeek(_ keys: ConfigurationKeys) throws(ConfigurationError) {
    try keys.requireText("scoring_func", "softmax")
    guard try !keys.flag("norm_topk_prob") else {
      throw keys.invalid("norm_topk_prob", expected: "false, as in the published models")
    }
    guard try keys.positiveOrNull("moe_layer_freq") ?? 1 == 1 else {
      throw keys.invalid("moe_layer_freq", expected: "1, as in the published models")
    }
  }
}

/// Experts in equal groups, of which only the best take part in the choice.
///
/// - SeeAlso: DeepSeek-V2, arXiv:2405.04434, §2.2.2 (device-limited routing).
public struct RoutingGroups: Sendable, Equatable {
  public let count: Int
  public let chosen: Int

  /// nil if all experts take part.
  init?(_ keys: ConfigurationKeys) throws(ConfigurationError) {
    switch try keys.text("topk_method") ?? "greedy" {
    case "greedy": return nil
    case "group_limited_greedy":
      count = try keys.positive("n_group")
      chosen = try keys.positive("topk_group")
    default:
      throw keys.invalid("topk_method", expected: "\"greedy\" or \"group_limited_greedy\"")
    }
  }

  fileprivate func check(
    _ keys: ConfigurationKeys, experts: Int, chosen perToken: Int
  ) throws(ConfigurationError) {
    guard experts.isMultiple(of: count) else {
      throw keys.invalid("n_group", expected: "a divisor of the \(experts) experts")
    }
    guard chosen <= count, perToken <= chosen * (experts / count) else {
      throw keys.invalid(
        "topk_group",
        expected: "at most the \(count) groups, and enough for \(perToken) experts a token")
    }
  }
}
