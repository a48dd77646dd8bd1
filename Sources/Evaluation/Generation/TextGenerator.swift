public import Checkpoints
public import MoEModels
import Tensors

/// Writes on after prompts, token by token.
public struct TextGenerator {
  private let decoder: Decoder
  private let tokenizer: Tokenizer
  private let endOfText: Set<Int32>

  /// - Parameters:
  ///   - decoder: The model, loaded.
  ///   - tokenizer: Turns tokens into the text that stops are looked for in.
  public init(_ decoder: Decoder, tokenizer: Tokenizer) {
    (self.decoder, self.tokenizer) = (decoder, tokenizer)
    endOfText = Set(decoder.configuration.endOfTextIDs.map { Int32($0) })
  }

  /// Continues every prompt.
  ///
  /// As many sequences as `options.batch` says grow side by side; when one ends, the next prompt takes
  /// its place. A prompt that leaves no room for `options.maximumTokens` loses tokens at its start, as
  /// lm-eval has it.
  /// - Parameters:
  ///   - prompts: Token ids, none empty.
  ///   - options: How.
  ///   - progress: Fraction of prompts done, 0…1.
  /// - Returns: One a prompt, and how many tokens went through the model.
  /// - Throws: ``GenerationError``, ``ForwardPassError``.
  public func continuations(
    of prompts: [[Int32]], options: GenerationOptions, progress: (Double) -> Void = { _ in }
  ) throws -> (continuations: [Continuation], forwardTokens: Int) {
    try options.check()
    if let empty = prompts.firstIndex(of: []) { throw GenerationError.emptyPrompt(index: empty) }
    guard options.maximumTokens < decoder.room else {
      throw GenerationError.noRoom(
        maximumTokens: options.maximumTokens, positions: decoder.room)
    }
    var results = [Continuation?](repeating: nil, count: prompts.count)
    var (active, next, done, forwardTokens) = ([Draft](), 0, 0, 0)
    while next < prompts.count || !active.isEmpty {
      while next < prompts.count, active.count < options.batch {
        active.append(draft(of: prompts[next], at: next, options))
        next += 1
      }
      let inputs = active.map(\.pending)
      try decoder.extend(active.map(\.sequence), by: inputs) { index, logits in
        active[index].append(
          active[index].sampler.next(logits, count: decoder.configuration.vocabularySize),
          endOfText: endOfText, tokenizer: tokenizer)
      }
      forwardTokens += inputs.reduce(0) { $0 + $1.count }
      for draft in active { results[draft.index] = draft.finished(tokenizer) }
      active.removeAll { $0.ending != nil }
      if results.count(where: { $0 != nil }) > done {
        done = results.count { $0 != nil }
        progress(Double(done) / Double(prompts.count))
      }
    }
    return (results.compactMap(\.self), forwardTokens)
  }

  private func draft(of prompt: [Int32], at index: Int, _ options: GenerationOptions) -> Draft {
    let kept = prompt.suffix(decoder.room - options.maximumTokens)
    return Draft(
      index: index, options: options, sequence: decoder.sequence(),
      sampler: TokenSampler(options, sequence: index), droppedTokens: prompt.count - kept.count,
      pending: Array(kept))
  }
}

/// A continuation in the making.
private struct Draft {
  /// Of the prompt.
  let index: Int
  let options: GenerationOptions
  let sequence: DecodedSequence
  var sampler: TokenSampler
  let droppedTokens: Int
  /// What the model has not seen yet.
  var pending: [Int32]
  private(set) var tokens: [Int32] = []
  private(set) var ending: Continuation.Ending?

  init(
    index: Int, options: GenerationOptions, sequence: DecodedSequence, sampler: TokenSampler,
    droppedTokens: Int, pending: [Int32]
  ) {
    (self.index, self.options, self.sequence, self.sampler) = (index, options, sequence, sampler)
    (self.droppedTokens, self.pending) = (droppedTokens, pending)
  }

  mutating func append(_ token: Int32, endOfText: Set<Int32>, tokenizer: Tokenizer) {
    guard !endOfText.contains(token) else {
      ending = .endOfText
      return
    }
    tokens.append(token)
    pending = [token]
    if let stop = stop(in: tokenizer) {
      ending = .stop(stop)
    } else if tokens.count == options.maximumTokens {
      ending = .length
    }
  }

  /// The stop that the text has come to; only its end can be new, and no token is empty.
  private func stop(in tokenizer: Tokenizer) -> String? {
    guard let longest = options.stops.map(\.utf8.count).max() else { return nil }
    let end = tokenizer.decode(Array(tokens.suffix(longest + 8)), skipSpecialTokens: true)
    guard options.stops.contains(where: end.contains) else { return nil }
    return Self.first(options.stops, in: text(tokenizer))?.stop
  }

  private func text(_ tokenizer: Tokenizer) -> String {
    tokenizer.decode(tokens, skipSpecialTokens: true)
  }

  private static func first(
    _ stops: [String], in text: String
  ) -> (stop: String, place: String.Index)? {
    stops.compactMap { stop in text.range(of: stop).map { (stop, $0.lowerBound) } }
      .min { $0.place < $1.place }
  }

  /// nil while it goes on.
  func finished(_ tokenizer: Tokenizer) -> Continuation? {
    guard let ending else { return nil }
    let whole = text(tokenizer)
    let end = Self.first(options.stops, in: whole)?.place ?? whole.endIndex
    return Continuation(
      tokens: tokens, text: String(whole[..<end]), ending: ending, droppedTokens: droppedTokens)
  }
}

extension String {
  /// Where `part` stands first, bytes compared.
  fileprivate func range(of part: String) -> Range<String.Index>? {
    let (bytes, pattern) = (Array(utf8), Array(part.utf8))
    guard pattern.count <= bytes.count, !pattern.isEmpty else { return nil }
    for start in 0...bytes.count - pattern.count
    where bytes[start] == pattern[0] && bytes[start..<start + pattern.count].elementsEqual(pattern)
    {
      let lower = utf8.index(utf8.startIndex, offsetBy: start)
      return lower..<utf8.index(lower, offsetBy: pattern.count)
    }
    return nil
  }

  fileprivate func contains(_ part: String) -> Bool { range(of: part) != nil }
}
