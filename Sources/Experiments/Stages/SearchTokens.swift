import Checkpoints
import Foundation
import Statistics

/// Disjoint windows of a text, for the search and for telling its winner's curse.
struct SearchTokens: Sendable {
  let search: [[Int32]]
  let selection: [[Int32]]

  /// Cuts the text into windows from its start and draws without putting back.
  ///
  /// - Parameters:
  ///   - text: Path for messages, and its tokens.
  ///   - search: Windows for the search.
  ///   - selection: Windows that the search does not see.
  ///   - context: Tokens of a window.
  ///   - seed: Of the draw.
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)`` if there are too few windows.
  init(
    _ text: (path: String, tokens: [Int32]), search: Int, selection: Int, context: Int,
    seed: UInt64
  ) throws(TextCorpusError) {
    var windows = Array(0..<text.tokens.count / context)
    guard windows.count >= search + selection else {
      throw .tooShort(
        path: text.path, tokens: text.tokens.count, context: context * (search + selection))
    }
    var generator = SeededGenerator(seed: seed)
    generator.shuffle(&windows)
    func window(_ index: Int) -> [Int32] {
      Array(text.tokens[index * context..<(index + 1) * context])
    }
    self.search = windows[..<search].map(window)
    self.selection = windows[search..<search + selection].map(window)
  }
}
