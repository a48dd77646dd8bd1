import Checkpoints
import Foundation
import Statistics

/// Disjoint windows of texts, for the search and for telling its winner's curse.
struct SearchTokens: Sendable {
  let search: [[Int32]]
  let selection: [[Int32]]

  /// Cuts each text into windows from its start and draws without putting back.
  ///
  /// - Parameters:
  ///   - texts: Path for messages, and tokens of each.
  ///   - search: Windows for the search.
  ///   - selection: Windows that the search does not see.
  ///   - context: Tokens of a window.
  ///   - seed: Of the draw.
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)`` if there are too few windows.
  init(
    _ texts: [(path: String, tokens: [Int32])], search: Int, selection: Int, context: Int,
    seed: UInt64
  ) throws(TextCorpusError) {
    var windows = texts.flatMap { text in
      (0..<text.tokens.count / context).map { text.tokens[$0 * context..<($0 + 1) * context] }
    }
    guard windows.count >= search + selection else {
      throw .tooShort(
        path: texts.map(\.path).joined(separator: ", "), tokens: windows.count * context,
        context: context * (search + selection))
    }
    var generator = SeededGenerator(seed: seed)
    generator.shuffle(&windows)
    self.search = windows[..<search].map(Array.init)
    self.selection = windows[search..<search + selection].map(Array.init)
  }

  /// The first windows of the search that have so many tokens together; at least one, at most all.
  func search(ofAtLeast tokens: Int) -> [[Int32]] {
    var (count, sum) = (0, 0)
    while count < search.count, sum < max(tokens, 1) {
      sum += search[count].count
      count += 1
    }
    return Array(search.prefix(count))
  }
}
