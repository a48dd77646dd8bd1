import Checkpoints
import Foundation
import MoEModels
import Tensors

/// Perplexity of a text by a named protocol, and bits per byte beside it.
///
/// Perplexity = exp(Σ −ln p / scored tokens). Bits per byte = Σ −log₂ p over all scored tokens,
/// divided by the bytes of text that these tokens stand for. Where windows score equally many
/// tokens, as GPTQ's do, this is exp of the mean of the windows' means.
public struct Perplexity: Sendable, Equatable {
  public let scoring: PerplexityProtocol
  /// Mean negative log-likelihood of every window, nats per token.
  public let windowLosses: [Double]
  /// Tokens scored in every window.
  public let windowTokens: [Int]
  /// Σ (−ln p)² over all scored tokens.
  public let sumOfSquares: Double
  /// UTF-8 bytes behind the scored tokens; of whole documents with ``PerplexityProtocol/rolling``.
  public let scoredBytes: Int
  /// Words of whole documents, by white space; nil with the other protocols.
  public let words: Int?
  /// Tokens that went through the model.
  public let forwardTokens: Int
  /// −ln p of every scored token, nats, window after window.
  public let tokenLosses: [Float]
  /// Who the windows are.
  public let windowItems: ScopeItems

  public var scoredTokens: Int { windowTokens.reduce(0, +) }
  /// Negative log-likelihood of all scored tokens, nats.
  public var totalLoss: Double {
    zip(windowLosses, windowTokens).reduce(0) { $0 + $1.0 * Double($1.1) }
  }
  public var perplexity: Double { exp(totalLoss / Double(scoredTokens)) }
  public var bitsPerByte: Double { totalLoss / log(2) / Double(scoredBytes) }
  /// exp(Σ −ln p / words), nil where words are not counted or the number is beyond `Double`.
  public var wordPerplexity: Double? {
    words.map { exp(totalLoss / Double($0)) }.flatMap { $0.isFinite ? $0 : nil }
  }
  /// The standard error that llama.cpp prints: perplexity · √(variance of −ln p / (tokens − 1)). It
  /// takes tokens for independent, which they are not. nil of a single token.
  public var naiveStandardError: Double? {
    guard scoredTokens > 1 else { return nil }
    let count = Double(scoredTokens)
    let mean = totalLoss / count
    return perplexity * (max(sumOfSquares / count - mean * mean, 0) / (count - 1)).squareRoot()
  }

  /// Measures a model on tokenized documents.
  ///
  /// - Parameters:
  ///   - source: The model.
  ///   - documents: Path for messages, and the documents; all protocols but
  ///     ``PerplexityProtocol/rolling`` take a text as one.
  ///   - scoring: Which tokens are scored after what.
  ///   - tokenizer: Tells how many bytes a token stands for.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)``, ``PerplexityError`` if there is no
  ///   number, and what the model throws.
  public init(
    of source: any WeightSource, documents: (path: String, [TokenizedDocument]),
    scoring: PerplexityProtocol, tokenizer: Tokenizer, precision: Precision,
    progress: (Double) -> Void = { _ in }
  ) throws {
    let texts = documents.1
    let scored = try ScoredWindows(of: documents, scoring: scoring)
    let windows = scored.windows
    self.scoring = scoring
    forwardTokens = scored.forwardTokens
    windowItems = scored.items
    if case .rolling = scoring {
      scoredBytes = texts.reduce(0) { $0 + $1.bytes }
      words = texts.reduce(0) { $0 + $1.words }
    } else {
      scoredBytes = windows.reduce(0) { sum, window in
        window.targets.reduce(sum) { $0 + (tokenizer.bytes(of: $1)?.count ?? 0) }
      }
      words = nil
    }
    let losses = try TokenLosses(
      of: windows.map(\.tokens), queries: windows.map(\.queries), source: source,
      precision: precision, progress: progress
    ).sequences
    windowLosses = losses.map { $0.reduce(0, +) / Double($0.count) }
    windowTokens = losses.map(\.count)
    tokenLosses = losses.flatMap { $0.map { Float($0) } }
    sumOfSquares = losses.reduce(0) { $1.reduce($0) { $0 + $1 * $1 } }
    guard perplexity.isFinite, bitsPerByte.isFinite else {
      throw PerplexityError.notFinite(
        path: documents.path, perplexity: perplexity, tokens: scoredTokens, bytes: scoredBytes)
    }
  }
}

/// Why a measurement gives no number.
public enum PerplexityError: Error, Equatable, CustomStringConvertible {
  case notFinite(path: String, perplexity: Double, tokens: Int, bytes: Int)

  public var description: String {
    switch self {
    case .notFinite(let path, let perplexity, let tokens, let bytes):
      "\(path): the perplexity of \(tokens) tokens, which stand for \(bytes) bytes, is \(perplexity); "
        + "check that the model's numbers stay finite (--compute f32) and that the text is one."
    }
  }
}

/// A document as it is scored.
public struct TokenizedDocument: Sendable, Equatable {
  public let tokens: [Int32]
  /// UTF-8 bytes of the document as it was given.
  public let bytes: Int
  /// Parts between stretches of white space; an empty one at either end counts, as lm-eval counts.
  public let words: Int

  public init(tokens: [Int32], bytes: Int, words: Int) {
    (self.tokens, self.bytes, self.words) = (tokens, bytes, words)
  }
}

extension PerplexityProtocol {
  /// Tokens in a window.
  public var context: Int {
    switch self {
    case .gptqWindows(let context), .llamaCpp(let context, _), .strided(let context, _),
      .rolling(let context, _):
      context
    }
  }
}
