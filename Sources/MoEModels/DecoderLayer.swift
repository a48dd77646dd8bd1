import Checkpoints
import Tensors

/// Sequences that go through a layer together; they do not see each other.
struct SequenceBatch {
  /// Index of its first token among all.
  let first: Int
  let shapes: [TokenTree.Shape]
  let tokens: Int
  /// Position of the first token of each sequence: how many went before it.
  let starts: [Int]
  /// Keys and values of what went before, one a sequence, where they are kept.
  let stores: [KeyValueStore]?

  init(first: Int, shapes: [TokenTree.Shape]) {
    self.first = first
    self.shapes = shapes
    tokens = shapes.reduce(0) { $0 + $1.tokens }
    starts = [Int](repeating: 0, count: shapes.count)
    stores = nil
  }

  /// What follows cached sequences.
  init(continuing starts: [Int], by counts: [Int], stores: [KeyValueStore]) {
    first = 0
    shapes = counts.map { TokenTree.Shape(trunk: $0, branches: []) }
    tokens = counts.reduce(0, +)
    (self.starts, self.stores) = (starts, stores)
  }

  /// Of every token in its sequence.
  var positions: [Int] {
    zip(starts, shapes).flatMap { start, shape in
      Array(start..<start + shape.trunk)
        + shape.branches.flatMap { shape.trunk..<shape.trunk + $0 }
    }
  }
}

/// A loaded layer. Its weights live as long as it does; its scratch memory is reused over batches.
final class DecoderLayer {
  private let hidden: Int
  private let attentionNorm: RMSNorm
  private let attention: any AttentionBlock
  private let feedForwardNorm: RMSNorm
  private let feedForward: any FeedForwardBlock

  private let normalized = ScratchBuffer<Float>()
  private let mixed = ScratchBuffer<Float>()

  init(
    _ layout: LayerLayout, source: some WeightSource, rotary: RotaryEmbedding,
    precision: Precision
  ) throws {
    let epsilon = source.configuration.normEpsilon
    hidden = source.configuration.hiddenSize
    attentionNorm = try RMSNorm(layout.attentionNorm, source: source, epsilon: epsilon)
    attention =
      switch layout.attention {
      case .groupedQuery(let layout):
        try GroupedQueryAttention(layout, source: source, rotary: rotary, precision: precision)
      case .latent(let layout):
        try LatentAttention(layout, source: source, rotary: rotary, precision: precision)
      }
    feedForwardNorm = try RMSNorm(layout.feedForwardNorm, source: source, epsilon: epsilon)
    feedForward =
      switch layout.feedForward {
      case .dense(let tensors):
        try DenseBlock(tensors, source: source, precision: precision)
      case .mixture(let layout):
        try MixtureBlock(layout, source: source, precision: precision)
      }
    for tensor in layout.tensorRoles { source.releasePages(of: tensor.name) }
  }

  /// Weights that one token reads, in bytes; norms left out.
  var bytes: Double { Double(attention.bytes) + feedForward.bytes }

  /// Sends a batch through the layer.
  ///
  /// - Parameters:
  ///   - x: Residual stream `[batch.tokens, hidden]`, replaced by the layer's output.
  ///   - batch: Where sequences begin and end.
  ///   - tap: Is shown the inputs of the projections.
  func apply(_ x: UnsafeMutablePointer<Float>, batch: SequenceBatch, tap: (any LayerTap)?) {
    let count = batch.tokens * hidden
    let room = LinearWeights.paddedRows(batch.tokens) * hidden
    let (n, y) = (normalized.reserve(room), mixed.reserve(room))
    attentionNorm.apply(x, rows: batch.tokens, to: n)
    attention.apply(n, batch: batch, to: y, tap: tap)
    add(y, to: x, count: count)
    feedForwardNorm.apply(x, rows: batch.tokens, to: n)
    y.update(repeating: 0, count: count)
    feedForward.apply(n, tokens: batch.tokens, addingTo: y, tap: tap)
    tap?.observe(moeOutput: y, rows: batch.tokens, columns: hidden)
    tap?.observe(residual: x, moeOutput: y, rows: batch.tokens, columns: hidden)
    add(y, to: x, count: count)
  }
}

/// x += y, side by side.
private func add(_ y: UnsafePointer<Float>, to x: UnsafeMutablePointer<Float>, count: Int) {
  // SAFETY: every chunk writes its own range of `x`.
  nonisolated(unsafe) let (x, y) = (x, y)
  forEachChunk(of: count, size: 1 << 15) { range in
    for i in range { x[i] += y[i] }
  }
}
