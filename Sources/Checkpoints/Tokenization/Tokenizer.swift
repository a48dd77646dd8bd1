public import Foundation

/// A byte-level BPE tokenizer from a Hugging Face `tokenizer.json`.
///
/// Ids equal those of the `tokenizers` package. Text is handled as UTF-8 bytes and scalars: it is
/// neither normalized nor cut at grapheme clusters.
public struct Tokenizer: Sendable {
  private let vocabulary: Vocabulary
  private let encoding: BytePairEncoding
  /// Added tokens are cut out in two passes, those that skip normalization first, as the reference
  /// does; without a normalizer the passes differ only for tokens that overlap.
  private let splitters: [AddedTokenSplitter]
  private let addsPrefixSpace: Bool
  private let splitsWords: Bool
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
    encoding = try BytePairEncoding(file, vocabulary)
    splitters = [false, true].map { isNormalized in
      AddedTokenSplitter(
        file.addedTokens.filter { $0.isNormalized == isNormalized }
          .map { (Array($0.content.utf8), Int32($0.id)) })
    }
    addsPrefixSpace = file.addsPrefixSpace
    splitsWords = file.splitsWords
    prefix = try Self.ids(of: file.prefixTokens, in: vocabulary, file: file.path)
    suffix = try Self.ids(of: file.suffixTokens, in: vocabulary, file: file.path)
  }

  private static func ids(
    of tokens: [String], in vocabulary: Vocabulary, file: String
  ) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for token in tokens {
      guard let id = vocabulary.id(of: token) else {
        throw .unknownToken(file: file, token: token, key: "post_processor")
      }
      ids.append(id)
    }
    return ids
  }

  /// Number of tokens, added ones included. A model's embedding may have more rows.
  public var vocabularySize: Int { vocabulary.count }

  /// The token of an id as the file spells it (a space is "Ġ"), or nil.
  public func token(_ id: Int32) -> String? { vocabulary.token(id) }

  /// The id of a token as the file spells it, or nil.
  public func id(of token: String) -> Int32? { vocabulary.id(of: token) }

  /// The bytes of text that an id stands for, or nil if there is no such token.
  public func bytes(of id: Int32) -> [UInt8]? { vocabulary.bytes(id) }

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
  ///   - skipSpecialTokens: Whether special tokens such as `<|endoftext|>` are left out.
  /// - Returns: The text; bytes that are not UTF-8, and ids without a token, become U+FFFD.
  public func decode(_ ids: [Int32], skipSpecialTokens: Bool = false) -> String {
    var bytes: [UInt8] = []
    for id in ids where !(skipSpecialTokens && vocabulary.specialIDs.contains(id)) {
      bytes.append(contentsOf: vocabulary.bytes(id) ?? Array("\u{FFFD}".utf8))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func encode(valid text: Span<UInt8>, addSpecialTokens: Bool) -> [Int32] {
    var state = EncodingState()
    state.ids.reserveCapacity(text.count / 3 + 8)
    if addSpecialTokens { state.ids += prefix }
    for outer in splitters[0].segments(of: 0..<text.count, in: text) {
      guard case .text(let range) = outer else {
        append(outer, of: text, to: &state)
        continue
      }
      for inner in splitters[1].segments(of: range, in: text) {
        append(inner, of: text, to: &state)
      }
    }
    if addSpecialTokens { state.ids += suffix }
    return state.ids
  }

  private func append(
    _ segment: AddedTokenSplitter.Segment, of text: Span<UInt8>, to state: inout EncodingState
  ) {
    switch segment {
    case .token(let id):
      state.ids.append(id)
    case .text(let range) where addsPrefixSpace && text[range.lowerBound] != UInt8(ascii: " "):
      let spaced = [UInt8(ascii: " ")] + Array(copying: text.extracting(range))
      appendWords(of: spaced.span, to: &state)
    case .text(let range):
      appendWords(of: text.extracting(range), to: &state)
    }
  }

  private func appendWords(of text: Span<UInt8>, to state: inout EncodingState) {
    var start = 0
    while start < text.count {
      let end = splitsWords ? GPT2Splitter.end(from: start, in: text) : text.count
      state.append(text.extracting(start..<end), encoding)
      start = end
    }
  }
}
