import Tensors

/// y = x Wᵀ + b; several projections of the same input stacked into one product.
struct Linear: Sendable {
  private let weights: LinearWeights
  /// Empty without biases.
  private let bias: [Float]

  var rows: Int { weights.rows }
  var columns: Int { weights.columns }

  /// Stacks projections with equal inputs; where only some have a bias the others' is zero.
  init(_ parts: [LinearTensors], source: some WeightSource, precision: Precision) throws {
    weights = LinearWeights(
      stacking: try parts.map {
        try source.matrix($0.weight, rows: $0.rows, columns: $0.columns)
      }, precision: precision)
    bias =
      parts.contains { $0.bias != nil }
      ? try parts.flatMap { part in
        try part.bias.map { try source.vector($0, count: part.rows) }
          ?? [Float](repeating: 0, count: part.rows)
      } : []
    // At once, or a whole layer of the file would lie in memory beside its copy.
    for part in parts { source.releasePages(of: part.weight) }
  }

  /// - Parameters:
  ///   - x: `[rows, columns]`, with room for padded rows as ``LinearWeights`` wants it.
  ///   - rows: How many.
  ///   - y: Written, `[rows, self.rows]`, with room for padded rows.
  ///   - scratch: Of the product.
  func apply(
    _ x: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>,
    scratch: ScratchBuffer<UInt16>
  ) {
    weights.apply(x, rows: rows, to: y, scratch: scratch)
    guard !bias.isEmpty else { return }
    let width = weights.rows
    bias.withUnsafeBufferPointer { bias in
      // SAFETY: every chunk writes its own rows.
      nonisolated(unsafe) let (y, bias) = (y, bias)
      forEachChunk(of: rows, size: 64) { range in
        for row in range {
          for i in 0..<width { y[row * width + i] += bias[i] }
        }
      }
    }
  }
}
