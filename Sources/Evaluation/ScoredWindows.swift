import Checkpoints

/// The windows into which a protocol cuts a text, with what tells them apart.
public struct ScoredWindows: Sendable, Equatable {
  let windows: [ScoringWindow]
  /// The document of each window, counted from 0.
  let documents: [Int]

  /// Cuts documents.
  ///
  /// - Parameters:
  ///   - documents: Path for messages, and the documents.
  ///   - scoring: Which tokens are scored after what.
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)`` if there is no window.
  public init(
    of documents: (path: String, [TokenizedDocument]), scoring: PerplexityProtocol
  ) throws(TextCorpusError) {
    let cut = documents.1.map { scoring.windows($0.tokens) }
    windows = cut.flatMap(\.self)
    self.documents = cut.enumerated().flatMap { index, windows in windows.map { _ in index } }
    guard !windows.isEmpty else {
      throw .tooShort(
        path: documents.path, tokens: documents.1.reduce(0) { $0 + $1.tokens.count },
        context: scoring.context)
    }
  }

  /// Tokens that go through the model.
  public var forwardTokens: Int { windows.reduce(0) { $0 + $1.tokens.count } }
  /// Scored tokens of every window.
  public var scoredTokens: [Int] { windows.map(\.targets.count) }

  /// The windows as items of a store: `document/window`, the window counted within its document; the
  /// hash is over the tokens that the model reads, then those that are scored.
  ///
  /// Several documents are clusters; one text is cut into windows that stand alone.
  public var items: ScopeItems {
    var (ids, place): ([String], [Int: Int]) = ([], [:])
    for document in documents {
      ids.append("\(document)/\(place[document, default: 0])")
      place[document, default: 0] += 1
    }
    return ScopeItems(
      ids: ids, hashes: windows.map { ItemHash(of: $0.tokens + $0.targets).value },
      clusters: Set(documents).count > 1 ? documents.map { "\($0)" } : nil)
  }
}
