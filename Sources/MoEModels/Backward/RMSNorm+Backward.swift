import Tensors

extension RMSNorm {
  /// - Parameter x: Rows whose width is a multiple of the norm's: each part is normalized alone.
  /// - Returns: The same shape.
  func outputs(of x: Matrix) -> Matrix {
    var y = Matrix(rows: x.rows, columns: x.columns)
    x.storage.withUnsafeBufferPointer { source in
      y.storage.withUnsafeMutableBufferPointer { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        apply(source, rows: x.storage.count / weight.count, to: target)
      }
    }
    return y
  }

  /// The way back, with r = 1 / √(mean x² + ε) and n the width:
  ///
  ///     ∂loss/∂xᵢ = r wᵢ gᵢ - xᵢ r³/n Σⱼ xⱼ wⱼ gⱼ,   ∂loss/∂wᵢ = Σ r xᵢ gᵢ
  ///
  /// - Parameters:
  ///   - slope: g = ∂loss/∂y.
  ///   - x: What was normalized.
  /// - Returns: Slopes of x, in its shape, and of the weight.
  func slopes(of slope: Matrix, at x: Matrix) -> (input: Matrix, weight: [Float]) {
    let width = weight.count
    let rows = x.storage.count / width
    var input = Matrix(rows: x.rows, columns: x.columns)
    var weightSlope = [Float](repeating: 0, count: width)
    weight.withUnsafeBufferPointer { w in
      for row in 0..<rows {
        let range = row * width..<(row + 1) * width
        x.storage[range].withUnsafeBufferPointer { x in
          slope.storage[range].withUnsafeBufferPointer { g in
            guard let start = x.baseAddress else { return }
            let mean = VectorMath.sumOfSquares(start, count: width) / Float(width)
            let factor = 1 / (mean + epsilon).squareRoot()
            var dot: Float = 0
            for i in 0..<width { dot += x[i] * w[i] * g[i] }
            let shared = factor * factor * factor * dot / Float(width)
            for i in 0..<width {
              input.storage[range.lowerBound + i] = factor * w[i] * g[i] - shared * x[i]
              weightSlope[i] += factor * x[i] * g[i]
            }
          }
        }
      }
    }
    return (input, weightSlope)
  }
}
