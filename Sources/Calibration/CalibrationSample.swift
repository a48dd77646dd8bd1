import Checkpoints
import Statistics
import Tensors

/// Windows of texts that calibrate a model.
public struct CalibrationSample: Sendable {
  /// How the start of a window is drawn; windows may overlap.
  public enum Sampling: String, Sendable, Codable, CaseIterable {
    /// Anywhere in the text, by our generator.
    case windows
    /// As GPTQ's code draws them: Python's generator, `random.randint(0, tokens − context − 1)`.
    case gptq
    /// One window, anywhere in it, of each of so many documents that are long enough, as samples of
    /// C4 are drawn; ``TextCorpus/documents`` says what a document is.
    case documents
  }

  /// A tokenized text and its share of the windows.
  public struct Text: Sendable {
    public let path: String
    public let tokens: [Int32]
    public let weight: Double

    public init(path: String, tokens: [Int32], weight: Double = 1) {
      (self.path, self.tokens, self.weight) = (path, tokens, weight)
    }
  }

  /// A text as its documents, and its share of the windows.
  public struct Documents: Sendable {
    public let path: String
    public let count: Int
    public let weight: Double
    /// Token ids of a document, by its index; asked only for those that are drawn.
    public let tokens: @Sendable (Int) -> [Int32]

    public init(
      path: String, count: Int, weight: Double = 1, tokens: @escaping @Sendable (Int) -> [Int32]
    ) {
      (self.path, self.count, self.weight, self.tokens) = (path, count, weight, tokens)
    }
  }

  /// Token ids, `count` windows of `context`.
  public let sequences: [[Int32]]

  /// Draws windows of several texts, by weight, one text after the other.
  ///
  /// - Parameters:
  ///   - texts: At least one, weights positive; they get windows by the largest remainder, ties to
  ///     the earlier one.
  ///   - count: Windows in all.
  ///   - context: Tokens of a window.
  ///   - sampling: How starts are drawn; documents have ``init(ofDocuments:count:context:seed:)``.
  ///   - seed: Of the draw; with ``Sampling/gptq`` what Python's `random.seed` gets.
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)``.
  public init(
    of texts: [Text], count: Int, context: Int, sampling: Sampling, seed: UInt64
  ) throws(TextCorpusError) {
    precondition(sampling != .documents, "documents sampled as texts")
    var draw = Draw(sampling, seed: seed)
    var sequences: [[Int32]] = []
    for (text, share) in zip(texts, Self.shares(of: texts.map(\.weight), count: count)) {
      let starts = text.tokens.count - context + (sampling == .windows ? 1 : 0)
      guard starts > 0 else {
        throw .tooShort(
          path: text.path, tokens: text.tokens.count,
          context: sampling == .windows ? context : context + 1)
      }
      for _ in 0..<share {
        let start = draw.next(below: starts)
        sequences.append(Array(text.tokens[start..<start + context]))
      }
    }
    self.sequences = sequences
  }

  /// Draws documents in random order, none twice, and one window of each with `context` tokens.
  ///
  /// The published code draws documents until one is long enough, so that one may come twice; it
  /// takes no window that ends with the document.
  ///
  /// - Parameters:
  ///   - texts: At least one, weights positive; shares are those of texts.
  ///   - count: Windows in all.
  ///   - context: Tokens of a window.
  ///   - seed: Of the draw.
  /// - Throws: ``TextCorpusError/tooFewDocuments(path:found:needed:context:)``.
  public init(
    ofDocuments texts: [Documents], count: Int, context: Int, seed: UInt64
  ) throws(TextCorpusError) {
    var generator = SeededGenerator(seed: seed)
    var sequences: [[Int32]] = []
    for (text, share) in zip(texts, Self.shares(of: texts.map(\.weight), count: count)) {
      var order = Array(0..<text.count)
      generator.shuffle(&order)
      var found = 0
      for document in order where found < share {
        let tokens = text.tokens(document)
        guard tokens.count >= context else { continue }
        let start = generator.below(tokens.count - context + 1)
        sequences.append(Array(tokens[start..<start + context]))
        found += 1
      }
      guard found == share else {
        throw .tooFewDocuments(path: text.path, found: found, needed: share, context: context)
      }
    }
    self.sequences = sequences
  }

  /// Draws windows of one text that start anywhere in it.
  ///
  /// - Throws: ``TextCorpusError/tooShort(path:tokens:context:)``.
  public init(
    text: (path: String, tokens: [Int32]), count: Int, context: Int, seed: UInt64
  ) throws(TextCorpusError) {
    try self.init(
      of: [Text(path: text.path, tokens: text.tokens)], count: count, context: context,
      sampling: .windows, seed: seed)
  }

  /// Whole windows in proportion to the weights.
  static func shares(of weights: [Double], count: Int) -> [Int] {
    let sum = weights.reduce(0, +)
    let exact = weights.map { $0 / sum * Double(count) }
    var shares = exact.map { Int($0.rounded(.down)) }
    let order = exact.indices.sorted { a, b in
      let (left, right) = (exact[a] - Double(shares[a]), exact[b] - Double(shares[b]))
      return left == right ? a < b : left > right
    }
    for index in order.prefix(max(count - shares.reduce(0, +), 0)) { shares[index] += 1 }
    return shares
  }

  private enum Draw {
    case ours(SeededGenerator)
    case python(PythonRandom)

    init(_ sampling: Sampling, seed: UInt64) {
      self =
        sampling == .windows
        ? .ours(SeededGenerator(seed: seed)) : .python(PythonRandom(seed: seed))
    }

    mutating func next(below count: Int) -> Int {
      switch self {
      case .ours(var generator):
        defer { self = .ours(generator) }
        return generator.below(count)
      case .python(var generator):
        defer { self = .python(generator) }
        return generator.integer(in: 0...count - 1)
      }
    }
  }
}
