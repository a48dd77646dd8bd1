import Tensors

/// Root-mean-square normalization: y = x / √(mean x² + ε) · weight.
struct RMSNorm: Sendable {
  let weight: [Float]
  let epsilon: Float

  init(_ tensor: NormTensor, source: some WeightSource, epsilon: Float) throws {
    weight = try source.vector(tensor.weight, count: tensor.width)
    self.epsilon = epsilon
  }

  /// - Parameters:
  ///   - x: Rows of ``weight``'s width, `stride` apart.
  ///   - rows: How many.
  ///   - stride: Of the rows of `x`; the width if nil.
  ///   - y: Written, rows of the same width, `targetStride` apart; may be `x`.
  ///   - targetStride: Of the rows of `y`; the width if nil.
  func apply(
    _ x: UnsafePointer<Float>, rows: Int, stride: Int? = nil,
    to y: UnsafeMutablePointer<Float>, targetStride: Int? = nil
  ) {
    let width = weight.count
    let (stride, targetStride) = (stride ?? width, targetStride ?? width)
    weight.withUnsafeBufferPointer { weight in
      // SAFETY: every chunk reads and writes its own rows.
      nonisolated(unsafe) let (x, y, weight) = (x, y, weight)
      let epsilon = epsilon
      forEachChunk(of: rows, size: 64) { range in
        for row in range {
          let (source, target) = (x + row * stride, y + row * targetStride)
          let mean = VectorMath.sumOfSquares(source, count: width) / Float(width)
          let factor = 1 / (mean + epsilon).squareRoot()
          for i in 0..<width { target[i] = source[i] * factor * weight[i] }
        }
      }
    }
  }
}
