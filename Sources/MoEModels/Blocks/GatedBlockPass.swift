public import Tensors

/// One gated MLP of a layer by itself: what an expert answers to inputs that are at hand.
public struct GatedBlockPass {
  private let mlp: GatedMLP
  private let hidden: Int
  private let half = ScratchBuffer<UInt16>()

  /// Rows that go through together: bounds the working memory.
  private static let batch = 2048

  /// Loads the weights.
  ///
  /// - Parameters:
  ///   - block: One of the layer's.
  ///   - layer: Its index.
  ///   - source: Where the weights come from.
  ///   - precision: Of the matrix products.
  /// - Throws: What reading weights throws.
  public init(
    _ block: GatedBlock, layer: Int, source: any WeightSource, precision: Precision
  ) throws {
    let configuration = source.configuration
    guard
      let tensors = configuration.layout(ofLayer: layer).gatedBlocks
        .first(where: { $0.block == block })?.tensors
    else { preconditionFailure("layer \(layer) has no \(block)") }
    hidden = configuration.hiddenSize
    mlp = try GatedMLP(tensors, block: block, source: source, precision: precision)
  }

  /// down(silu(gate x) · up x) of every row, without a routing weight.
  ///
  /// - Parameter x: Normalized residual stream, `[tokens, hidden]`.
  /// - Returns: `[tokens, hidden]`.
  public func outputs(of x: Matrix) -> Matrix {
    precondition(x.columns == hidden, "\(x.columns) channels, expected \(hidden)")
    let rows = x.rows
    var result = Matrix(rows: rows, columns: hidden)
    result.storage.withUnsafeMutableBufferPointer { y in
      x.storage.withUnsafeBufferPointer { x in
        guard let x = x.baseAddress, let y = y.baseAddress else { return }
        for start in stride(from: 0, to: rows, by: Self.batch) {
          let count = min(Self.batch, rows - start)
          mlp.apply(
            x + start * hidden, routed: Routing.everyToken(count), addingTo: y + start * hidden,
            tap: nil, half: half)
        }
      }
    }
    return result
  }
}
