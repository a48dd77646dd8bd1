public import Foundation

/// The shape of a model, from its `config.json`.
public struct ModelConfiguration: Sendable, Equatable {
  /// The supported families, by their `model_type`.
  public enum Architecture: String, Sendable, CaseIterable {
    case mixtral
  }

  static let fileName = "config.json"

  public let architecture: Architecture
  public let hiddenSize: Int
  /// Hidden size of one expert.
  public let intermediateSize: Int
  public let layerCount: Int
  public let attentionHeadCount: Int
  public let keyValueHeadCount: Int
  /// Size of one attention head, even (rotary embedding turns pairs).
  public let headDimension: Int
  public let expertCount: Int
  /// Experts that each token is sent to.
  public let expertsPerToken: Int
  public let normEpsilon: Float
  /// Base of the rotary embedding's frequencies.
  public let ropeTheta: Double
  public let tiesWordEmbeddings: Bool
  public let vocabularySize: Int
  public let maximumPositions: Int
  /// Keys that a token sees, itself included; nil without a window.
  public let slidingWindow: Int?
  public let beginningOfTextID: Int?
  /// Tokens that end generation; empty if the file names none.
  public let endOfTextIDs: [Int]

  /// Reads and checks `config.json`.
  ///
  /// - Throws: ``ConfigurationError``.
  public init(_ url: URL) throws(ConfigurationError) {
    let keys = try ConfigurationKeys(url)
    architecture = try keys.architecture()
    hiddenSize = try keys.positive("hidden_size")
    intermediateSize = try keys.positive("intermediate_size")
    layerCount = try keys.positive("num_hidden_layers")
    attentionHeadCount = try keys.positive("num_attention_heads")
    keyValueHeadCount = try keys.positive("num_key_value_heads")
    headDimension = try keys.headDimension(hiddenSize: hiddenSize, heads: attentionHeadCount)
    expertCount = try keys.positive("num_local_experts")
    expertsPerToken = try keys.positive("num_experts_per_tok")
    normEpsilon = Float(try keys.positiveNumber("rms_norm_eps"))
    ropeTheta = try keys.ropeTheta()
    tiesWordEmbeddings = try keys.flag("tie_word_embeddings")
    vocabularySize = try keys.positive("vocab_size")
    maximumPositions = try keys.positive("max_position_embeddings")
    slidingWindow = try keys.positiveOrNull("sliding_window")
    endOfTextIDs = try keys.tokens("eos_token_id", below: vocabularySize)
    beginningOfTextID = try keys.tokens("bos_token_id", below: vocabularySize).first
    try keys.requireSilu()
    try checkRelations(keys)
  }

  private func checkRelations(_ keys: ConfigurationKeys) throws(ConfigurationError) {
    guard attentionHeadCount.isMultiple(of: keyValueHeadCount) else {
      throw keys.invalid(
        "num_key_value_heads", expected: "a divisor of the \(attentionHeadCount) attention heads")
    }
    guard expertsPerToken <= expertCount else {
      throw keys.invalid("num_experts_per_tok", expected: "at most the \(expertCount) experts")
    }
  }
}
