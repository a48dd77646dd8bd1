import Tensors

/// y = x Wᵀ + b in f32, both ways.
struct PlainLinear: Sendable {
  let tensor: String
  /// W, `[out, in]`.
  let weights: Matrix
  /// Empty without one.
  private let bias: [Float]

  init(_ tensors: LinearTensors, source: some WeightSource) throws {
    tensor = tensors.weight
    weights = try source.matrix(tensor, rows: tensors.rows, columns: tensors.columns)
    bias = try tensors.bias.map { try source.vector($0, count: tensors.rows) } ?? []
    source.releasePages(of: tensor)
  }

  /// - Parameter x: `[rows, in]`.
  /// - Returns: `[rows, out]`.
  func outputs(of x: Matrix) -> Matrix {
    var y = x.multiplied(byTransposed: weights)
    guard !bias.isEmpty else { return y }
    let width = weights.rows
    y.storage.withUnsafeMutableBufferPointer { y in
      for row in 0..<x.rows {
        for column in 0..<width { y[row * width + column] += bias[column] }
      }
    }
    return y
  }

  /// - Parameter slope: ∂loss/∂y, `[rows, out]`.
  /// - Returns: ∂loss/∂x, `[rows, in]`.
  func inputSlope(of slope: Matrix) -> Matrix { slope.multiplied(by: weights) }

  /// What taps are shown.
  func slope(_ output: Matrix, at input: Matrix, tokens: [Int]? = nil) -> LinearSlope {
    LinearSlope(tensor: tensor, input: input, output: output, tokens: tokens)
  }
}
