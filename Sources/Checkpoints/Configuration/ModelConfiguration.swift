public import Foundation

/// The shape of a model, from its `config.json`.
public struct ModelConfiguration: Sendable, Equatable {
  /// The supported families, by their `model_type`.
  public enum Architecture: String, Sendable, CaseIterable {
    case mixtral
    case olmoe
    case qwen2MoE = "qwen2_moe"
    case qwen3MoE = "qwen3_moe"
    case deepseekV2 = "deepseek_v2"
    case llama
    case qwen2
  }

  static let fileName = "config.json"

  public let architecture: Architecture
  public let hiddenSize: Int
  public let layerCount: Int
  public let attention: AttentionConfiguration
  /// Width of the MLP in layers without experts; nil if every layer has experts.
  public let denseWidth: Int?
  /// Whether gate, up and down of dense MLPs have biases.
  public let denseBias: Bool
  /// nil in a dense model.
  public let mixture: MixtureConfiguration?
  public let normEpsilon: Float
  public let rotary: RotaryConfiguration
  public let tiesWordEmbeddings: Bool
  public let vocabularySize: Int
  public let maximumPositions: Int
  /// Keys that a token sees, itself included; nil without a window.
  public let slidingWindow: Int?
  public let beginningOfTextID: Int?
  /// Tokens that end generation; empty if the file names none. Those beyond the vocabulary, which some
  /// files have, are left out: only generation would need them.
  public let endOfTextIDs: [Int]

  /// Routed experts of a MoE layer; 0 in a dense model.
  public var expertCount: Int { mixture?.expertCount ?? 0 }
  /// Experts that each token is sent to; 0 in a dense model.
  public var expertsPerToken: Int { mixture?.expertsPerToken ?? 0 }

  /// The experts of a layer; nil where the layer has one MLP for all tokens.
  public func mixture(ofLayer layer: Int) -> MixtureConfiguration? {
    mixture.flatMap { $0.denseLayers.contains(layer) ? nil : $0 }
  }

  /// Routed experts of a layer; 0 where it has one MLP for all tokens.
  public func expertCount(ofLayer layer: Int) -> Int { mixture(ofLayer: layer)?.expertCount ?? 0 }

  /// Reads and checks `config.json`.
  ///
  /// - Throws: ``ConfigurationError``.
  public init(_ url: URL) throws(ConfigurationError) {
    let keys = try ConfigurationKeys(url)
    architecture = try keys.architecture()
    hiddenSize = try keys.positive("hidden_size")
    layerCount = try keys.positive("num_hidden_layers", atMost: ConfigurationKeys.largestCount)
    attention = try AttentionConfiguration(keys, architecture, hiddenSize: hiddenSize)
    mixture = try MixtureConfiguration(keys, architecture, layers: layerCount)
    let hasDenseLayers = mixture.map { !$0.denseLayers.isEmpty } ?? true
    denseWidth = hasDenseLayers ? try keys.positive("intermediate_size") : nil
    denseBias = architecture == .llama ? try keys.flag("mlp_bias") : false
    normEpsilon = Float(try keys.positiveNumber("rms_norm_eps"))
    rotary = try RotaryConfiguration(keys)
    tiesWordEmbeddings = try keys.flag("tie_word_embeddings")
    vocabularySize = try keys.positive("vocab_size")
    maximumPositions = try keys.positive(
      "max_position_embeddings", atMost: ConfigurationKeys.largestPosition)
    slidingWindow = try Self.slidingWindow(keys, architecture)
    let vocabulary = 0..<vocabularySize
    endOfTextIDs = try keys.tokens("eos_token_id").filter(vocabulary.contains)
    beginningOfTextID = try keys.tokens("bos_token_id", below: vocabularySize).first
    try keys.requireSilu()
  }

  /// Qwen states a window that counts only if `use_sliding_window` is set.
  private static func slidingWindow(
    _ keys: ConfigurationKeys, _ architecture: Architecture
  ) throws(ConfigurationError) -> Int? {
    switch architecture {
    case .mixtral:
      try keys.positiveOrNull("sliding_window", atMost: ConfigurationKeys.largestPosition)
    case .qwen2, .qwen2MoE, .qwen3MoE:
      try keys.flag("use_sliding_window")
        ? keys.positiveOrNull("sliding_window", atMost: ConfigurationKeys.largestPosition) : nil
    case .olmoe, .deepseekV2, .llama: nil
    }
  }
}
