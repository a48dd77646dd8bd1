/// How the attention of a model is shaped.
public struct AttentionConfiguration: Sendable, Equatable {
  public let headCount: Int
  public let keyValueHeadCount: Int
  /// Size of a head's queries and keys; the part that rotates is even.
  public let headDimension: Int
  /// Whether q, k and v have biases.
  public let inputBias: Bool
  /// Whether o has one.
  public let outputBias: Bool
  /// q, k and v are clamped to ± this (OLMoE's `clip_qkv`).
  public let clip: Float?
  /// Of multi-head latent attention; nil for grouped-query attention.
  public let latent: LatentConfiguration?

  init(
    _ keys: ConfigurationKeys, _ architecture: ModelConfiguration.Architecture, hiddenSize: Int
  ) throws(ConfigurationError) {
    headCount = try keys.positive("num_attention_heads", atMost: ConfigurationKeys.largestCount)
    latent = architecture == .deepseekV2 ? try LatentConfiguration(keys) : nil
    if let latent {
      headDimension = latent.plainDimension + latent.rotaryDimension
    } else {
      headDimension = try keys.headDimension(hiddenSize: hiddenSize, heads: headCount)
    }
    keyValueHeadCount = try Self.keyValueHeads(keys, architecture, heads: headCount)
    switch architecture {
    case .qwen2: (inputBias, outputBias) = (true, false)
    case .qwen2MoE: (inputBias, outputBias) = (try keys.flag("qkv_bias", default: true), false)
    case .mixtral: (inputBias, outputBias) = (false, false)
    case .olmoe, .qwen3MoE, .deepseekV2, .llama:
      let bias = try keys.flag("attention_bias")
      (inputBias, outputBias) = (bias, bias)
    }
    let clip = try architecture == .olmoe ? keys.positiveNumberOrNull("clip_qkv") : nil
    self.clip = clip.map { Float($0) }
  }

  /// As many as there are heads if a family of multi-head attention does not say; the others have
  /// different defaults, so that they must.
  private static func keyValueHeads(
    _ keys: ConfigurationKeys, _ architecture: ModelConfiguration.Architecture, heads: Int
  ) throws(ConfigurationError) -> Int {
    let mayBeAbsent = [.llama, .olmoe, .deepseekV2].contains(architecture)
    guard !mayBeAbsent || keys.has("num_key_value_heads") else { return heads }
    let count = try keys.positive("num_key_value_heads")
    guard heads.isMultiple(of: count) else {
      throw keys.invalid(
        "num_key_value_heads", expected: "a divisor of the \(heads) attention heads")
    }
    return count
  }
}

/// Multi-head latent attention: keys and values are expanded from a shared low-rank latent.
///
/// - SeeAlso: DeepSeek-AI 2024, "DeepSeek-V2", arXiv:2405.04434, §2.1.
public struct LatentConfiguration: Sendable, Equatable {
  /// Rank of the queries' latent; nil if they are projected directly.
  public let queryRank: Int?
  /// Rank of the latent of keys and values.
  public let keyValueRank: Int
  /// Channels of a head's query and key that do not rotate.
  public let plainDimension: Int
  /// Channels that rotate; the keys' are shared by all heads.
  public let rotaryDimension: Int
  public let valueDimension: Int

  init(_ keys: ConfigurationKeys) throws(ConfigurationError) {
    queryRank = try keys.positiveOrNull("q_lora_rank")
    keyValueRank = try keys.positive("kv_lora_rank")
    plainDimension = try keys.positive(
      "qk_nope_head_dim", atMost: ConfigurationKeys.largestCount)
    rotaryDimension = try keys.positive(
      "qk_rope_head_dim", atMost: ConfigurationKeys.largestCount)
    valueDimension = try keys.positive("v_head_dim", atMost: ConfigurationKeys.largestCount)
    guard rotaryDimension.isMultiple(of: 2) else {
      throw keys.invalid("qk_rope_head_dim", expected: "an even number")
    }
    let heads = try keys.positive("num_attention_heads")
    guard try keys.positiveOrNull("num_key_value_heads") ?? heads == heads else {
      throw keys.invalid(
        "num_key_value_heads", expected: "num_attention_heads, as latent attention has it")
    }
  }
}
