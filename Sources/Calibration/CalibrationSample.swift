import Checkpoints
import Tensors

/// Windows of a text that calibrate a model.
public struct CalibrationSample: Sendable {
  /// Token ids, `count` windows of `context`.
  public let sequences: [[Int32]]

  /// Draws windows that start anywhere in the text, seeded; windows may overlap.
  ///
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)``.
  public init(
    text: (path: String, tokens: [Int32]), count: Int, context: Int, seed: UInt64
  ) throws(TextCorpusError) {
    let starts = text.tokens.count - context + 1
    guard starts > 0 else {
      throw .tooShort(path: text.path, tokens: text.tokens.count, context: context)
    }
    var random = SeededGenerator(seed: seed)
    sequences = (0..<count).map { _ in
      let start = random.below(starts)
      return Array(text.tokens[start..<start + context])
    }
  }
}
