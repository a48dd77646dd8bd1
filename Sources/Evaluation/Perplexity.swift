import Checkpoints
import Foundation
import MoEModels
import Tensors

/// Perplexity of a text in the convention of GPTQ's evaluation.
///
/// The text is tokenized once and cut into ⌊N/L⌋ windows of L tokens that do not overlap; the tail
/// is dropped. In each window the mean cross entropy over its L − 1 predicted tokens is taken;
/// perplexity = exp(mean of the window means). Bits per byte = Σ −log₂ p over all scored tokens,
/// divided by the bytes of text that these tokens stand for.
public struct Perplexity: Sendable, Equatable {
  public static let protocolName = "gptq-windows"

  /// Window length L in tokens.
  public let context: Int
  /// Mean negative log-likelihood of every window, nats per token.
  public let windowLosses: [Double]
  /// UTF-8 bytes behind the scored tokens.
  public let scoredBytes: Int

  public var scoredTokens: Int { windowLosses.count * (context - 1) }
  public var perplexity: Double { exp(windowLosses.reduce(0, +) / Double(windowLosses.count)) }
  /// Negative log-likelihood of all scored tokens, nats.
  public var totalLoss: Double { windowLosses.reduce(0, +) * Double(context - 1) }
  public var bitsPerByte: Double { totalLoss / log(2) / Double(scoredBytes) }

  /// Measures a model on a tokenized text.
  ///
  /// - Parameters:
  ///   - source: The model.
  ///   - text: Path for messages and its token ids.
  ///   - context: Window length, at least 2.
  ///   - tokenizer: Tells how many bytes a token stands for.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)``, and what the model throws.
  public init(
    of source: any WeightSource, text: (path: String, tokens: [Int32]), context: Int,
    tokenizer: Tokenizer, precision: Precision, progress: (Double) -> Void = { _ in }
  ) throws {
    precondition(context >= 2, "context \(context)")
    let count = text.tokens.count / context
    guard count > 0 else {
      throw TextCorpusError.tooShort(
        path: text.path, tokens: text.tokens.count, context: context)
    }
    let windows = (0..<count).map { Array(text.tokens[$0 * context..<($0 + 1) * context]) }
    self.context = context
    scoredBytes = windows.reduce(0) { sum, window in
      window.dropFirst().reduce(sum) { $0 + (tokenizer.bytes(of: $1)?.count ?? 0) }
    }
    let queries = windows.map { window in
      (1..<context).map { TokenQuery(position: $0 - 1, token: window[$0]) }
    }
    let losses = try TokenLosses(
      of: windows, queries: queries, source: source, precision: precision, progress: progress)
    windowLosses = losses.sequences.map { $0.reduce(0, +) / Double($0.count) }
  }
}
