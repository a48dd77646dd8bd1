import Tensors

/// Root-mean-square normalization: y = x / √(mean x² + ε) · weight.
struct RMSNorm: Sendable {
  let weight: [Float]
  let epsilon: Float

  /// - Parameters:
  ///   - x: `[rows, weight.count]`.
  ///   - rows: How many.
  ///   - y: Written, same shape; may be `x`.
  func apply(_ x: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>) {
    let width = weight.count
    weight.withUnsafeBufferPointer { weight in
      // SAFETY: every chunk reads and writes its own rows.
      nonisolated(unsafe) let (x, y, weight) = (x, y, weight)
      let epsilon = epsilon
      forEachChunk(of: rows, size: 64) { range in
        for row in range {
          let (source, target) = (x + row * width, y + row * width)
          let mean = VectorMath.sumOfSquares(source, count: width) / Float(width)
          let factor = 1 / (mean + epsilon).squareRoot()
          for i in 0..<width { target[i] = source[i] * factor * weight[i] }
        }
      }
    }
  }
}
