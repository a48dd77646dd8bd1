public import Checkpoints
public import Tensors

/// What a decoder has seen of a sequence: keys and values of every layer.
public final class DecodedSequence {
  /// Tokens seen.
  public fileprivate(set) var count = 0
  /// Tokens that it may come to.
  public let room: Int
  fileprivate let stores: [KeyValueStore]

  fileprivate init(layers: Int, room: Int) {
    self.room = room
    stores = (0..<layers).map { _ in KeyValueStore(room: room) }
  }
}

/// A model whose layers all stay in memory, for sequences that grow token by token.
///
/// Keys and values of earlier tokens are kept, so that a step costs one token. The numbers are those
/// of ``ForwardPass`` up to the order of sums.
public final class Decoder {
  public let configuration: ModelConfiguration
  public let precision: Precision
  private let layers: [DecoderLayer]
  private let embeddings: Matrix
  private let norm: RMSNorm
  private let head: LinearWeights
  /// Longest sequence.
  public let room: Int

  private let states = ScratchBuffer<Float>()
  private let last = ScratchBuffer<Float>()
  private let normalized = ScratchBuffer<Float>()
  private let logits = ScratchBuffer<Float>()
  private let half = ScratchBuffer<UInt16>()

  /// Loads the whole model.
  ///
  /// - Parameters:
  ///   - source: The model.
  ///   - precision: Of the matrix products; the router stays in f32.
  ///   - room: Tokens of the longest sequence; nil: as many as the model is made for.
  /// - Throws: ``ForwardPassError`` for a room that the model does not take, and what reading weights
  ///   throws.
  public init(source: any WeightSource, precision: Precision, room: Int? = nil) throws {
    let c = source.configuration
    let room = room ?? min(c.maximumPositions, c.slidingWindow ?? .max)
    // Frequencies that follow the length would have to turn cached keys again.
    guard room <= c.maximumPositions else {
      throw ForwardPassError.tooLong(room, maximum: c.maximumPositions)
    }
    try ForwardPass.check(length: room, in: c)
    (configuration, self.precision, self.room) = (c, precision, room)
    let rotary = RotaryEmbedding(c, positions: room)
    layers = try (0..<c.layerCount).map { index in
      try DecoderLayer(
        c.layout(ofLayer: index), source: source, rotary: rotary, precision: precision)
    }
    embeddings = try source.matrix(
      "model.embed_tokens.weight", rows: c.vocabularySize, columns: c.hiddenSize)
    source.releasePages(of: "model.embed_tokens.weight")
    norm = try RMSNorm(
      NormTensor("model.norm", c.hiddenSize), source: source, epsilon: c.normEpsilon)
    let name = c.tiesWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    head = LinearWeights(
      try source.matrix(name, rows: c.vocabularySize, columns: c.hiddenSize), precision: precision)
    source.releasePages(of: name)
  }

  /// Weights that one token reads, in bytes: attention, router, the experts that it is sent to, and
  /// the head. Norms, and keys and values, are left out; experts of different size count by their mean.
  public var bytesPerToken: Double {
    let head = head.rows * head.columns * (head.precision == .f32 ? 4 : 2)
    return layers.reduce(Double(head)) { $0 + $1.bytes }
  }

  /// A sequence without tokens.
  public func sequence() -> DecodedSequence {
    DecodedSequence(layers: layers.count, room: room)
  }

  /// Appends tokens to sequences and tells what may follow them.
  ///
  /// - Parameters:
  ///   - sequences: Of this decoder, each once.
  ///   - tokens: At least one for each.
  ///   - body: Gets for each sequence in order its index and the logits after its last token,
  ///     `[vocabulary]`, valid during the call.
  /// - Throws: ``ForwardPassError`` for a token outside the vocabulary or a sequence too long; then no
  ///   sequence has grown. What `body` throws.
  public func extend(
    _ sequences: [DecodedSequence], by tokens: [[Int32]],
    _ body: (_ sequence: Int, _ logits: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    precondition(
      sequences.count == tokens.count && !tokens.contains([]),
      "\(tokens.count) continuations of \(sequences.count) sequences")
    guard !sequences.isEmpty else { return }
    try check(sequences, tokens)
    let (hidden, counts) = (configuration.hiddenSize, tokens.map(\.count))
    let x = embed(tokens)
    for (index, layer) in layers.enumerated() {
      layer.apply(
        x,
        batch: SequenceBatch(
          continuing: sequences.map(\.count), by: counts,
          stores: sequences.map { $0.stores[index] }), tap: nil)
    }
    var row = -1
    let rows = LinearWeights.paddedRows(sequences.count)
    let ends = last.reserve(rows * hidden)
    for (index, count) in counts.enumerated() {
      row += count
      (ends + index * hidden).update(from: x + row * hidden, count: hidden)
      sequences[index].count += count
    }
    let n = normalized.reserve(rows * hidden)
    norm.apply(ends, rows: sequences.count, to: n)
    let y = logits.reserve(rows * configuration.vocabularySize)
    head.apply(n, rows: sequences.count, to: y, scratch: half)
    for index in sequences.indices { try body(index, y + index * configuration.vocabularySize) }
  }

  private func check(_ sequences: [DecodedSequence], _ tokens: [[Int32]]) throws {
    for (sequence, tokens) in zip(sequences, tokens) {
      guard sequence.count + tokens.count <= room else {
        throw ForwardPassError.tooLong(sequence.count + tokens.count, maximum: room)
      }
      for token in tokens where !(0..<configuration.vocabularySize).contains(Int(token)) {
        throw ForwardPassError.unknownToken(token, vocabulary: configuration.vocabularySize)
      }
    }
  }

  private func embed(_ tokens: [[Int32]]) -> UnsafeMutablePointer<Float> {
    let hidden = configuration.hiddenSize
    let count = tokens.reduce(0) { $0 + $1.count }
    let x = states.reserve(LinearWeights.paddedRows(count) * hidden)
    embeddings.storage.withUnsafeBufferPointer { table in
      guard let base = table.baseAddress else { return }
      for (row, token) in tokens.joined().enumerated() {
        (x + row * hidden).update(from: base + Int(token) * hidden, count: hidden)
      }
    }
    return x
  }
}
