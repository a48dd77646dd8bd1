/// Up to eight vectors as products with packed weights read them.
struct PackedInput: @unchecked Sendable {
  // The pointer is read while its owner waits for the products.
  let count: Int
  let arranged: ArrangedInput
  /// As they are, or as ``Activations`` round them; the sparse part reads these.
  private let vectors: Vectors

  private enum Vectors {
    case exact(UnsafePointer<Float>)
    case rounded([Float])
  }

  /// - Parameters:
  ///   - x: Shape `[count, weights.columns]`; outlives the products.
  ///   - count: Vectors, 1…8.
  ///   - weights: Whose groups and order count.
  ///   - level: Of the products.
  ///   - activations: What the vectors are taken for.
  init(
    _ x: UnsafePointer<Float>, count: Int, for weights: PackedLinear, level: KernelLevel,
    activations: Activations
  ) {
    self.count = count
    arranged = ArrangedInput(
      x, count: count, for: weights, level: level, activations: activations)
    vectors =
      activations == .exact
      ? .exact(x)
      : .rounded(activations.applied(to: x, count: count, columns: weights.columns))
  }

  /// Shape `[count, columns]`.
  func withVectors(_ body: (UnsafePointer<Float>) -> Void) {
    switch vectors {
    case .exact(let x): body(x)
    case .rounded(let x):
      x.withUnsafeBufferPointer { buffer in
        if let base = buffer.baseAddress { body(base) }
      }
    }
  }
}
