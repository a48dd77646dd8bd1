import Checkpoints
import Tensors

/// Sequences that go through a layer together; they do not see each other.
struct SequenceBatch {
  let lengths: [Int]
  let tokens: Int

  init(lengths: [Int]) {
    self.lengths = lengths
    tokens = lengths.reduce(0, +)
  }
}

/// A loaded layer. Its weights live as long as it does; its scratch memory is reused over batches.
protocol DecoderLayer: AnyObject {
  /// Sends a batch through the layer.
  ///
  /// - Parameters:
  ///   - x: Residual stream `[batch.tokens, hidden]`, replaced by the layer's output.
  ///   - batch: Where sequences begin and end.
  ///   - tap: Is shown the inputs of the projections.
  func apply(_ x: UnsafeMutablePointer<Float>, batch: SequenceBatch, tap: (any LayerTap)?)
}

/// x += y, side by side.
func add(_ y: UnsafePointer<Float>, to x: UnsafeMutablePointer<Float>, count: Int) {
  // SAFETY: every chunk writes its own range of `x`.
  nonisolated(unsafe) let (x, y) = (x, y)
  forEachChunk(of: count, size: 1 << 15) { range in
    for i in range { x[i] += y[i] }
  }
}
