public import Foundation

/// A BPE tokenizer from a Hugging Face `tokenizer.json`: byte-level (GPT-2, OLMoE, Qwen2,
/// DeepSeek-V2, Llama 3) or SentencePiece-style with byte fallback (Llama 2, Mixtral).
///
/// Ids and decoded text equal those of the `tokenizers` package. Text is handled as UTF-8 bytes and
/// scalars; it is normalized only as the file says, and not cut at grapheme clusters.
public struct Tokenizer: Sendable {
  private let vocabulary: Vocabulary
  private let pieces: TokenPieces
  private let encoding: BytePairEncoding
  private let normalization: Normalization
  private let preTokenization: PreTokenization
  /// Added tokens that are looked for in the text as it is, and those in the normalized text.
  private let rawSplitter: AddedTokenSplitter
  private let normalizedSplitter: AddedTokenSplitter
  private let prefix: [Int32]
  private let suffix: [Int32]

  /// Reads `tokenizer.json`.
  ///
  /// - Parameter url: The file itself, not its folder.
  /// - Throws: ``TokenizerError``; a feature that would change ids and is not supported is refused.
  public init(_ url: URL) throws(TokenizerError) {
    let file = try TokenizerFile(url)
    let vocabulary = try Vocabulary(file)
    self.vocabulary = vocabulary
    pieces = TokenPieces(vocabulary, file.decoding, spellings: Self.spellings(file))
    encoding = try BytePairEncoding(file, vocabulary)
    normalization = file.normalization
    rawSplitter = AddedTokenSplitter(
      file.addedTokens.filter { !$0.isNormalized }, normalization: Normalization())
    normalizedSplitter = AddedTokenSplitter(
      file.addedTokens.filter(\.isNormalized), normalization: file.normalization)
    preTokenization = Self.preTokenization(file, vocabulary)
    prefix = try Self.ids(of: file.template.prefix, in: vocabulary)
    suffix = try Self.ids(of: file.template.suffix, in: vocabulary)
  }

  /// Added tokens that are looked for in normalized text are decoded as normalization spells them:
  /// "</s>" of Llama 2 becomes " </s>" within a text.
  private static func spellings(_ file: TokenizerFile) -> [Int32: [UInt8]] {
    var spellings: [Int32: [UInt8]] = [:]
    for token in file.addedTokens where token.isNormalized {
      let content = Array(token.content.utf8)
      spellings[Int32(token.id)] = file.normalization.normalized(content.span)
    }
    return spellings
  }

  /// The file's stages, and one more where it changes no id but spares merging a text as a whole.
  private static func preTokenization(
    _ file: TokenizerFile, _ vocabulary: Vocabulary
  ) -> PreTokenization {
    var preTokenization = file.preTokenization
    if !preTokenization.isByteLevel, BytePairEncoding.neverJoinsBeforeMarker(file, vocabulary) {
      preTokenization.stages.append(.markerRuns(BytePairEncoding.spaceMarker))
    }
    return preTokenization
  }

  private static func ids(
    of tokens: [TextTemplate.Token], in vocabulary: Vocabulary
  ) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for token in tokens {
      let key = token.place.place.description
      guard let id = vocabulary.id(of: token.text) else {
        throw .unknownToken(file: token.place.file, token: token.text, key: key)
      }
      guard token.id == Int(id) else {
        throw .invalidToken(
          file: token.place.file, token: token.text, id: token.id,
          reason: "at \(key) has id \(id) in the vocabulary")
      }
      ids.append(id)
    }
    return ids
  }

  /// The token that the post-processor puts before every text, or nil.
  public var beginningOfText: Int32? { prefix.first }

  /// Number of tokens, added ones included. A model's embedding may have more rows.
  public var vocabularySize: Int { vocabulary.count }

  /// The token of an id as the file spells it (a space is "Ġ"), or nil.
  public func token(_ id: Int32) -> String? { vocabulary.token(id) }

  /// The id of a token as the file spells it, or nil.
  public func id(of token: String) -> Int32? { vocabulary.id(of: token) }

  /// The bytes of text that an id stands for, or nil if there is no such token.
  public func bytes(of id: Int32) -> [UInt8]? { pieces[id].map(Array.init) }

  /// The ids of a text.
  ///
  /// - Parameters:
  ///   - text: Any text. Special tokens inside it are recognized in any case.
  ///   - addSpecialTokens: Whether the post-processor's tokens, such as a beginning-of-text token,
  ///     are put around the text.
  /// - Returns: The ids, in order.
  /// - Complexity: O(bytes) in practice; each distinct pre-token is merged once.
  public func encode(_ text: String, addSpecialTokens: Bool = false) -> [Int32] {
    var text = text
    text.makeContiguousUTF8()
    return encode(valid: text.utf8.span, addSpecialTokens: addSpecialTokens)
  }

  /// The ids of a text given as UTF-8.
  ///
  /// - Throws: ``TokenizerError/invalidUTF8(offset:)``.
  public func encode(
    utf8: [UInt8], addSpecialTokens: Bool = false
  ) throws(TokenizerError) -> [Int32] {
    do {
      _ = try UTF8Span(validating: utf8.span)
    } catch {
      throw .invalidUTF8(offset: error.byteOffsets.lowerBound)
    }
    return encode(valid: utf8.span, addSpecialTokens: addSpecialTokens)
  }

  /// The text of ids.
  ///
  /// - Parameters:
  ///   - ids: Any ids.
  ///   - skipSpecialTokens: Whether special tokens such as `<|endoftext|>` are left out,
  ///     all of them: tokenizers 0.23.3 keeps those that normalization spells in another way.
  /// - Returns: The text; bytes that are not UTF-8, and ids without a token, become U+FFFD.
  public func decode(_ ids: [Int32], skipSpecialTokens: Bool = false) -> String {
    guard skipSpecialTokens else { return pieces.text(of: ids) }
    return pieces.text(of: ids.lazy.filter { !vocabulary.specialIDs.contains($0) })
  }

  private func encode(valid text: Span<UInt8>, addSpecialTokens: Bool) -> [Int32] {
    var state = EncodingState()
    state.ids.reserveCapacity(text.count / 3 + 8)
    if addSpecialTokens { state.ids += prefix }
    for segment in rawSplitter.segments(of: text) {
      switch segment {
      case .token(let id): state.ids.append(id)
      case .text(let range):
        let piece = text.extracting(range)
        if let normalized = normalization.normalized(piece) {
          append(normalized: normalized.span, isFirst: range.lowerBound == 0, to: &state)
        } else {
          append(normalized: piece, isFirst: range.lowerBound == 0, to: &state)
        }
      }
    }
    if addSpecialTokens { state.ids += suffix }
    return state.ids
  }

  private func append(normalized text: Span<UInt8>, isFirst: Bool, to state: inout EncodingState) {
    for segment in normalizedSplitter.segments(of: text) {
      switch segment {
      case .token(let id): state.ids.append(id)
      case .text(let range):
        let piece = text.extracting(range)
        let isFirst = isFirst && range.lowerBound == 0
        if let spaced = preTokenization.spaced(piece, isFirst: isFirst) {
          appendWords(of: spaced.span, stage: 0, to: &state)
        } else {
          appendWords(of: piece, stage: 0, to: &state)
        }
      }
    }
  }

  /// Cuts the text with one stage and each of its pieces with the stages behind it.
  private func appendWords(of text: Span<UInt8>, stage: Int, to state: inout EncodingState) {
    guard stage < preTokenization.stages.count else {
      if !text.isEmpty { state.append(text, encoding) }
      return
    }
    var start = 0
    while start < text.count {
      let end = preTokenization.stages[stage].end(from: start, in: text)
      appendWords(of: text.extracting(start..<end), stage: stage + 1, to: &state)
      start = end
    }
  }
}
