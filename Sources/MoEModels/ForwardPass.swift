import Checkpoints
import Tensors

/// Token sequences through a model, one layer after the other.
///
/// All sequences go through layer 0, then all through layer 1: weights of one layer are in memory
/// at a time, and so are the activations of all tokens given, `tokens · hidden` floats.
public final class ForwardPass {
  public let source: any WeightSource
  public let precision: Precision
  private let batchTokens: Int
  private let rotary: RotaryEmbedding
  private let batches: [SequenceBatch]
  private let hiddenStates = ScratchBuffer<Float>()
  private let tokens: Int

  /// Embeds the sequences.
  ///
  /// - Parameters:
  ///   - sequences: Token ids; empty sequences are refused.
  ///   - source: The model.
  ///   - precision: Of the matrix products; the router stays in f32.
  ///   - batchTokens: About how many tokens go through a layer together.
  /// - Throws: ``ForwardPassError`` for an id outside the vocabulary or a sequence too long.
  public convenience init(
    _ sequences: [[Int32]], source: any WeightSource, precision: Precision,
    batchTokens: Int = 2048
  ) throws {
    try self.init(
      trees: sequences.map { TokenTree(trunk: $0) }, source: source, precision: precision,
      batchTokens: batchTokens)
  }

  /// Embeds sequences of which some begin alike.
  ///
  /// - Parameters:
  ///   - trees: Token ids; the pass's tokens are those of all trees in order.
  ///   - source: The model.
  ///   - precision: Of the matrix products; the router stays in f32.
  ///   - batchTokens: About how many tokens go through a layer together; a tree is not divided.
  /// - Throws: As ``init(_:source:precision:batchTokens:)``.
  public init(
    trees: [TokenTree], source: any WeightSource, precision: Precision, batchTokens: Int = 2048
  ) throws {
    let shapes = trees.map(\.shape)
    let configuration = source.configuration
    self.source = source
    self.precision = precision
    self.batchTokens = batchTokens
    tokens = shapes.reduce(0) { $0 + $1.tokens }
    batches = Self.batches(of: shapes, tokens: batchTokens)
    let longest = shapes.map(\.longest).max() ?? 0
    try Self.check(length: longest, in: configuration)
    rotary = RotaryEmbedding(configuration, positions: longest)
    try embed(trees)
  }

  /// A pass that stands where `other` stands and goes its own way from there.
  public init(forking other: ForwardPass) {
    (source, precision, batchTokens) = (other.source, other.precision, other.batchTokens)
    (rotary, batches, tokens) = (other.rotary, other.batches, other.tokens)
    let count = tokens * source.configuration.hiddenSize
    hiddenStates.reserve(count).update(from: other.hiddenStates.reserve(count), count: count)
  }

  /// Whether a model takes sequences of a length.
  ///
  /// - Throws: ``ForwardPassError/tooLong(_:maximum:)``,
  ///   ``ForwardPassError/slidingWindow(_:length:)``.
  public static func check(
    length: Int, in c: ModelConfiguration
  ) throws(ForwardPassError) {
    guard length <= c.maximumPositions || c.rotary.isDynamic else {
      throw .tooLong(length, maximum: c.maximumPositions)
    }
    if let window = c.slidingWindow, length > window {
      throw .slidingWindow(window, length: length)
    }
  }

  /// Sends everything through the layers that remain.
  ///
  /// - Parameter progress: Called after every layer with the number of layers done.
  /// - Throws: What reading weights, or `progress`, throws.
  public func runLayers(progress: (Int) throws -> Void = { _ in }) throws {
    for index in 0..<source.configuration.layerCount {
      try runLayer(index, tap: nil)
      try progress(index + 1)
    }
  }

  /// Sends everything through layer `index`, which must be the next one.
  ///
  /// - Parameters:
  ///   - index: Of the layer.
  ///   - weights: Where its weights come from; the pass's own source if nil.
  ///   - tap: Is shown the inputs of the projections.
  /// - Throws: What reading weights throws.
  public func runLayer(
    _ index: Int, weights: (any WeightSource)? = nil, tap: (any LayerTap)?
  ) throws {
    let layer = try self.layer(index, weights ?? source)
    let hidden = source.configuration.hiddenSize
    let x = hiddenStates.reserve(tokens * hidden)
    if let tap {
      for batch in batches { layer.apply(x + batch.first * hidden, batch: batch, tap: tap) }
      return
    }
    // SAFETY: a batch's rows are its own; scratch memory is each worker's own.
    nonisolated(unsafe) let (shared, rows, batches) = (layer, x, batches)
    forEachPiece(of: batches.count) { index in
      shared.apply(rows + batches[index].first * hidden, batch: batches[index], tap: nil)
    }
  }

  /// Shows a tap what layer `index`, the next one, would do, and leaves the pass before it.
  ///
  /// - Throws: What reading weights throws.
  public func observeLayer(_ index: Int, tap: any LayerTap) throws {
    let layer = try self.layer(index, source)
    let hidden = source.configuration.hiddenSize
    let x = hiddenStates.reserve(tokens * hidden)
    let copy = ScratchBuffer<Float>()
    for batch in batches {
      let y = copy.reserve(batch.tokens * hidden)
      y.update(from: x + batch.first * hidden, count: batch.tokens * hidden)
      layer.apply(y, batch: batch, tap: tap)
    }
  }

  /// The residual stream where the pass stands, `[tokens, hidden]`, a copy.
  public var states: Matrix {
    let hidden = source.configuration.hiddenSize
    let x = UnsafeBufferPointer(
      start: hiddenStates.reserve(tokens * hidden), count: tokens * hidden)
    return Matrix(rows: tokens, columns: hidden, storage: Array(x))
  }

  private func layer(_ index: Int, _ weights: any WeightSource) throws -> DecoderLayer {
    try DecoderLayer(
      source.configuration.layout(ofLayer: index), source: weights, rotary: rotary,
      precision: precision)
  }

  /// Final norm and output head.
  ///
  /// - Parameters:
  ///   - wanted: Rising indices of the tokens that logits are asked for; nil: all.
  ///   - body: Gets the index of the first token, among those wanted, the number of rows, and logits
  ///     `[rows, vocabulary]`, valid during the call; tokens are counted over all sequences in order.
  /// - Throws: What reading weights, or `body`, throws.
  public func forEachLogits(
    of wanted: [Int]? = nil,
    _ body: (_ firstToken: Int, _ rows: Int, _ logits: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let c = source.configuration
    let norm = try RMSNorm(
      NormTensor("model.norm", c.hiddenSize), source: source, epsilon: c.normEpsilon)
    let name = c.tiesWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    let head = LinearWeights(
      try source.matrix(name, rows: c.vocabularySize, columns: c.hiddenSize), precision: precision)
    // 4 MiB of logits at a time stay in the cache between head and consumer.
    let block = max(16, min(batchTokens, (1 << 20) / c.vocabularySize / 16 * 16))
    let (normalized, logits) = (ScratchBuffer<Float>(), ScratchBuffer<Float>())
    let (half, gathered) = (ScratchBuffer<UInt16>(), ScratchBuffer<Float>())
    let x = hiddenStates.reserve(tokens * c.hiddenSize)
    let count = wanted?.count ?? tokens
    for start in stride(from: 0, to: count, by: block) {
      let rows = min(block, count - start)
      let padded = LinearWeights.paddedRows(rows)
      let n = normalized.reserve(padded * c.hiddenSize)
      var states = x + start * c.hiddenSize
      if let wanted {
        states = gathered.reserve(block * c.hiddenSize)
        for row in 0..<rows {
          (states + row * c.hiddenSize).update(
            from: x + wanted[start + row] * c.hiddenSize, count: c.hiddenSize)
        }
      }
      norm.apply(states, rows: rows, to: n)
      let y = logits.reserve(padded * c.vocabularySize)
      head.apply(n, rows: rows, to: y, scratch: half)
      try body(start, rows, y)
    }
  }

  private func embed(_ trees: [TokenTree]) throws {
    let c = source.configuration
    let table = try source.matrix(
      "model.embed_tokens.weight", rows: c.vocabularySize, columns: c.hiddenSize)
    let x = hiddenStates.reserve(tokens * c.hiddenSize)
    var row = 0
    for token in trees.lazy.flatMap(\.tokens) {
      guard (0..<c.vocabularySize).contains(Int(token)) else {
        throw ForwardPassError.unknownToken(token, vocabulary: c.vocabularySize)
      }
      table.storage.withUnsafeBufferPointer { table in
        guard let base = table.baseAddress else { return }
        (x + row * c.hiddenSize).update(from: base + Int(token) * c.hiddenSize, count: c.hiddenSize)
      }
      row += 1
    }
    source.releasePages(of: "model.embed_tokens.weight")
  }

  private static func batches(of shapes: [TokenTree.Shape], tokens: Int) -> [SequenceBatch] {
    var result: [SequenceBatch] = []
    var current: [TokenTree.Shape] = []
    var (first, count) = (0, 0)
    for shape in shapes {
      if !current.isEmpty, count + shape.tokens > tokens {
        result.append(SequenceBatch(first: first, shapes: current))
        (first, count, current) = (first + count, 0, [])
      }
      current.append(shape)
      count += shape.tokens
    }
    if !current.isEmpty { result.append(SequenceBatch(first: first, shapes: current)) }
    return result
  }
}

/// Why token sequences cannot go through a model.
public enum ForwardPassError: Error, Equatable, CustomStringConvertible {
  case unknownToken(Int32, vocabulary: Int)
  case tooLong(Int, maximum: Int)
  case slidingWindow(Int, length: Int)

  public var description: String {
    switch self {
    case .unknownToken(let id, let vocabulary):
      "Token id \(id) is outside the model's vocabulary of \(vocabulary): tokenizer.json and "
        + "config.json do not belong together."
    case .tooLong(let length, let maximum):
      "A sequence of \(length) tokens is longer than the model's max_position_embeddings "
        + "\(maximum); use a context of at most \(maximum)."
    case .slidingWindow(let window, let length):
      "A sequence of \(length) tokens exceeds the model's sliding_window \(window), which is not "
        + "implemented; use a context of at most \(window)."
    }
  }
}

extension RotaryConfiguration {
  /// Whether sequences beyond `max_position_embeddings` are what the scaling is made for.
  fileprivate var isDynamic: Bool {
    if case .dynamic = scaling { true } else { false }
  }
}
