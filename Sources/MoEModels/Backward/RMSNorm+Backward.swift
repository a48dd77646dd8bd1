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
    x.storage.withUnsafeBufferPointer { x in
      slope.storage.withUnsafeBufferPointer { g in
        input.storage.withUnsafeMutableBufferPointer { target in
          weightSlope.withUnsafeMutableBufferPointer { weightSlope in
            guard let x = x.baseAddress, let g = g.baseAddress, let target = target.baseAddress
            else { return }
            for row in 0..<rows {
              let start = row * width
              addSlopes(x + start, g + start, to: target + start, weightSlope)
            }
          }
        }
      }
    }
    return (input, weightSlope)
  }

  /// One part of ``slopes(of:at:)``.
  private func addSlopes(
    _ x: UnsafePointer<Float>, _ g: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>,
    _ weightSlope: UnsafeMutableBufferPointer<Float>
  ) {
    let width = weight.count
    weight.withUnsafeBufferPointer { w in
      let mean = VectorMath.sumOfSquares(x, count: width) / Float(width)
      let factor = 1 / (mean + epsilon).squareRoot()
      var dot: Float = 0
      for i in 0..<width { dot += x[i] * w[i] * g[i] }
      let shared = factor * factor * factor * dot / Float(width)
      for i in 0..<width {
        target[i] = factor * w[i] * g[i] - shared * x[i]
        weightSlope[i] += factor * x[i] * g[i]
      }
    }
  }
}
