public import MoEModels

/// Times of a prompt and of the tokens after it, repeat by repeat.
public struct DecodingSpeed: Codable, Sendable, Equatable {
  /// From the prompt's first token to the choice of the next one, seconds.
  public var promptSeconds: [Double] = []
  /// All steps after that, seconds.
  public var stepSeconds: [Double] = []
  public let promptTokens: Int
  /// Steps of one token each.
  public let steps: Int

  /// - Parameters:
  ///   - promptTokens: At least one.
  ///   - steps: At least one.
  public init(promptTokens: Int, steps: Int) {
    precondition(promptTokens > 0 && steps > 0, "\(promptTokens) tokens, \(steps) steps")
    (self.promptTokens, self.steps) = (promptTokens, steps)
  }

  public var promptTokensPerSecond: [Double] { promptSeconds.map { Double(promptTokens) / $0 } }
  public var stepsPerSecond: [Double] { stepSeconds.map { Double(steps) / $0 } }

  /// How many times as fast as another model the prompt ran, repeat by repeat.
  public func promptSpeedup(over other: DecodingSpeed) -> [Double] {
    zip(other.promptSeconds, promptSeconds).map { $0 / $1 }
  }

  /// How many times as fast as those of another model the steps were, repeat by repeat.
  public func stepSpeedup(over other: DecodingSpeed) -> [Double] {
    zip(other.stepSeconds, stepSeconds).map { $0 / $1 }
  }

  /// Runs a prompt and greedy steps once.
  ///
  /// - Parameters:
  ///   - decoder: The model.
  ///   - prompt: ``promptTokens`` tokens.
  /// - Throws: ``ForwardPassError``.
  public mutating func run(_ decoder: Decoder, prompt: [Int32]) throws {
    precondition(prompt.count == promptTokens, "\(prompt.count) tokens, not \(promptTokens)")
    let sequence = decoder.sequence()
    let start = ContinuousClock.now
    var next = try Self.step(decoder, sequence, prompt)
    let first = ContinuousClock.now
    for _ in 0..<steps { next = try Self.step(decoder, sequence, [next]) }
    let end = ContinuousClock.now
    promptSeconds.append((first - start) / .seconds(1))
    stepSeconds.append((end - first) / .seconds(1))
  }

  /// - Returns: The likeliest token.
  private static func step(
    _ decoder: Decoder, _ sequence: DecodedSequence, _ tokens: [Int32]
  ) throws -> Int32 {
    var best = 0
    try decoder.extend([sequence], by: [tokens]) { _, logits in
      for token in 1..<decoder.configuration.vocabularySize where logits[token] > logits[best] {
        best = token
      }
    }
    return Int32(best)
  }
}
