import Checkpoints
import MoEModels

/// Splits a context and its continuation into tokens as lm-eval does.
///
/// White space at the end of the context counts to the continuation. Context and both together are
/// tokenized; the continuation's tokens are those of both behind the number of the context's, and
/// they follow the context's own, also where a token of both reaches across the border. What is
/// longer than the model's positions loses its beginning.
///
/// - SeeAlso: lm-eval 0.4.13, `TemplateLM._encode_pair`, `HFLM._loglikelihood_tokens`.
struct ContinuationTokenizer {
  let tokenizer: Tokenizer
  /// Stands for an empty context.
  let prefix: Int32?
  /// How the tokenizer would write that token: a text that begins so gets no second one.
  let prefixText: String?
  let maximumLength: Int

  init(_ tokenizer: Tokenizer, for configuration: ModelConfiguration) {
    let id = configuration.beginningOfTextID ?? configuration.endOfTextIDs.first
    self.init(
      tokenizer, prefix: id.map { Int32($0) }, maximumLength: configuration.maximumPositions)
  }

  init(_ tokenizer: Tokenizer, prefix: Int32?, maximumLength: Int) {
    (self.tokenizer, self.prefix, self.maximumLength) = (tokenizer, prefix, maximumLength)
    prefixText = prefix.map { tokenizer.decode([$0]) }
  }

  /// The tokens of a request.
  ///
  /// - Parameters:
  ///   - request: Context and continuation.
  ///   - item: Names the item in errors.
  /// - Returns: At least one token of context and one of the continuation.
  /// - Throws: ``TaskError``.
  func tokens(
    of request: TaskItem.Request, item: String
  ) throws(TaskError) -> ContinuationTokens {
    let (context, continuation) = try split(request, item: item)
    guard !context.isEmpty, !continuation.isEmpty else {
      throw .nothingToScore(item: item, choice: request.continuation)
    }
    guard continuation.count <= maximumLength else {
      throw .tooLong(
        item: item, choice: request.continuation, tokens: continuation.count,
        maximum: maximumLength)
    }
    let all = context + continuation
    // The last token predicts nothing and takes no position.
    let kept = all.suffix(maximumLength + 1)
    return ContinuationTokens(
      tokens: Array(kept), scored: continuation.count, isTruncated: kept.count < all.count)
  }

  private func split(
    _ request: TaskItem.Request, item: String
  ) throws(TaskError) -> (context: [Int32], continuation: [Int32]) {
    guard !request.context.isEmpty else {
      guard let prefix else { throw .noPrefixToken(item: item) }
      let tokens = tokenizer.encode(request.continuation)
      guard tokens.first == prefix else { return ([prefix], tokens) }
      return (Array(tokens.prefix(1)), Array(tokens.dropFirst()))
    }
    let context = request.context.unicodeScalars.strippedTrailing.text
    let tokens = encode(context)
    let whole = encode(request.context + request.continuation)
    return (tokens, Array(whole.dropFirst(tokens.count)))
  }

  private func encode(_ text: String) -> [Int32] {
    let hasPrefix = prefixText.map { text.hasPrefix($0) } ?? false
    return tokenizer.encode(text, addSpecialTokens: !hasPrefix)
  }
}

/// Tokens of which the last `scored` are a continuation.
struct ContinuationTokens: Equatable {
  let tokens: [Int32]
  let scored: Int
  /// Whether the beginning was cut off to fit the model.
  let isTruncated: Bool
}
