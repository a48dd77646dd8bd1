import Tensors

/// y = x Wᵀ + b; several projections of the same input stacked into one product.
struct Linear: Sendable {
  /// How products are computed.
  private enum Form {
    case dense(LinearWeights)
    /// One for each projection.
    case packed([PackedProjection])
  }

  private let form: Form
  let rows: Int
  let columns: Int
  /// Empty without biases.
  private let bias: [Float]

  /// Weights that one vector reads, in bytes.
  var bytes: Int {
    switch form {
    case .dense(let weights): rows * columns * (weights.precision == .f32 ? 4 : 2)
    case .packed(let parts): parts.reduce(0) { $0 + $1.bytes }
    }
  }

  /// The projections where all run from packed weights and none has a bias.
  var packed: [PackedProjection]? {
    if case .packed(let parts) = form, bias.isEmpty { return parts }
    return nil
  }

  /// Stacks projections with equal inputs; where only some have a bias the others' is zero.
  ///
  /// Runs from packed weights if the source wants it for all of the projections.
  init(_ parts: [LinearTensors], source: some WeightSource, precision: Precision) throws {
    rows = parts.reduce(0) { $0 + $1.rows }
    columns = parts.first?.columns ?? 0
    form = try Self.form(of: parts, source: source, precision: precision)
    bias =
      parts.contains { $0.bias != nil }
      ? try parts.flatMap { part in
        try part.bias.map { try source.vector($0, count: part.rows) }
          ?? [Float](repeating: 0, count: part.rows)
      } : []
    // At once, or a whole layer of the file would lie in memory beside its copy.
    for part in parts { source.releasePages(of: part.weight) }
  }

  private static func form(
    of parts: [LinearTensors], source: some WeightSource, precision: Precision
  ) throws -> Form {
    let packed = try parts.compactMap { part -> PackedProjection? in
      guard let stored = try source.executedForm(of: part.weight),
        stored.rows == part.rows, stored.columns == part.columns
      else { return nil }
      return PackedProjection(stored, activations: source.activations)
    }
    guard packed.count < parts.count else { return .packed(packed) }
    // Also where shapes differ: reading then says so.
    return .dense(
      LinearWeights(
        stacking: try parts.map {
          try source.matrix($0.weight, rows: $0.rows, columns: $0.columns)
        }, precision: precision))
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
    switch form {
    case .dense(let weights): weights.apply(x, rows: rows, to: y, scratch: scratch)
    case .packed(let parts):
      var first = 0
      for part in parts {
        part.apply(x, count: rows, to: y + first, stride: self.rows)
        first += part.rows
      }
    }
    guard !bias.isEmpty else { return }
    let width = self.rows
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
