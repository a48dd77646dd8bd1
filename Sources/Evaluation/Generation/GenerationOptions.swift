/// How a model writes on.
public struct GenerationOptions: Sendable, Equatable {
  /// Tokens of a continuation at most.
  public var maximumTokens: Int
  /// Texts that end a continuation; they are no part of it.
  public var stops: [String]
  /// 0: always the likeliest token, the first of equals; else logits are divided by it.
  public var temperature: Double
  /// Only so many of the likeliest tokens are drawn from; nil: all.
  public var topK: Int?
  /// Only the fewest likeliest tokens that have this probability together; nil: all.
  public var topP: Double?
  /// Of the draws; a continuation depends on it, on the prompt and on its place among the prompts.
  public var seed: UInt64
  /// Sequences that grow side by side.
  public var batch: Int

  public init(
    maximumTokens: Int, stops: [String] = [], temperature: Double = 0, topK: Int? = nil,
    topP: Double? = nil, seed: UInt64 = 0, batch: Int = 16
  ) {
    self.maximumTokens = maximumTokens
    self.stops = stops
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.seed = seed
    self.batch = batch
  }

  /// - Throws: ``GenerationError`` for what no continuation can come of.
  public func check() throws(GenerationError) {
    guard maximumTokens > 0 else { throw .outOfRange("maximum tokens", Double(maximumTokens)) }
    guard batch > 0 else { throw .outOfRange("batch", Double(batch)) }
    guard temperature.isFinite, temperature >= 0 else {
      throw .outOfRange("temperature", temperature)
    }
    if let topK, topK < 1 { throw .outOfRange("top-k", Double(topK)) }
    if let topP, !(topP > 0 && topP <= 1) { throw .outOfRange("top-p", topP) }
    if stops.contains("") { throw .emptyStop }
  }
}

/// What a model wrote after a prompt.
public struct Continuation: Sendable, Equatable {
  public enum Ending: Sendable, Equatable {
    /// One of the stops, which is cut off.
    case stop(String)
    /// The model's own token for the end of a text.
    case endOfText
    /// As many tokens as allowed, or as the model has positions for.
    case length
  }

  /// Everything generated, the tokens of a stop included, without a token that ends the text.
  public let tokens: [Int32]
  public let text: String
  public let ending: Ending
  /// Tokens of the prompt that were dropped from its start because it was too long.
  public let droppedTokens: Int
}

/// Why nothing can be generated.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  case emptyPrompt(index: Int)
  case outOfRange(String, Double)
  case emptyStop
  case noRoom(maximumTokens: Int, positions: Int)

  public var description: String {
    switch self {
    case .emptyPrompt(let index):
      "Prompt \(index) has no tokens; a model writes on after at least one."
    case .outOfRange(let name, let value):
      "\(name) is \(value); tokens, batch and top-k are at least 1, a temperature at least 0, top-p "
        + "above 0 and at most 1."
    case .emptyStop:
      "A stop is the empty text, which would end everything at once; leave it out."
    case .noRoom(let tokens, let positions):
      "\(tokens) new tokens leave no room for a prompt in the model's \(positions) positions; ask for "
        + "fewer."
    }
  }
}
