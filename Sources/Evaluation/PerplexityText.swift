import Checkpoints
public import Foundation
import MoEModels

/// A text file as a protocol reads it.
public enum PerplexityText {
  /// Reads and tokenizes.
  ///
  /// - Parameters:
  ///   - url: Plain or gzip.
  ///   - format: With ``PerplexityProtocol/rolling`` and `wikitext`, articles become documents and
  ///     are detokenized; other texts are one document.
  ///   - scoring: All but ``PerplexityProtocol/rolling`` have the special tokens that the tokenizer
  ///     puts around a text.
  ///   - tokenizer: The model's.
  /// - Returns: The documents, in the order of the file.
  /// - Throws: ``TextCorpusError``.
  public static func documents(
    _ url: URL, format: TextFormat, scoring: PerplexityProtocol, tokenizer: Tokenizer
  ) throws -> [TokenizedDocument] {
    guard case .rolling = scoring else {
      let text = try TextCorpus(url, format: format).text
      return [
        TokenizedDocument(
          tokens: tokenizer.encode(text, addSpecialTokens: true), bytes: text.utf8.count,
          words: WikiTextPages.words(in: text))
      ]
    }
    let raw = try TextCorpus(url, format: .text).text
    let pages = format == .wikitext ? WikiTextPages.pages(raw) : [raw]
    return pages.map { page in
      TokenizedDocument(
        tokens: tokenizer.encode(
          format == .wikitext ? WikiTextPages.detokenized(page) : page),
        bytes: page.utf8.count, words: WikiTextPages.words(in: page))
    }
  }
}
