import Foundation
import Tensors

/// A gated MLP, both ways: y += w · down(silu(gate x) · up x) over the tokens that come here.
struct GatedGradient {
  private let gate: PlainLinear
  private let up: PlainLinear
  private let down: PlainLinear

  init(_ tensors: GatedTensors, source: some WeightSource) throws {
    gate = try PlainLinear(tensors.gate, source: source)
    up = try PlainLinear(tensors.up, source: source)
    down = try PlainLinear(tensors.down, source: source)
  }

  struct Record {
    let tokens: [Int]
    /// Of each token's output.
    let weights: [Float]
    let input: Matrix
    /// gate x and up x.
    let gate: Matrix
    let up: Matrix
    /// silu(gate x) · up x.
    let activation: Matrix
    /// Before the weight.
    let output: Matrix
  }

  /// - Parameters:
  ///   - x: Normalized residual stream of all tokens, `[tokens, hidden]`.
  ///   - routed: Token and weight of each row that comes here.
  ///   - y: The output is added to it.
  func record(
    of x: Matrix, routed: [Routing.Assignment], addingTo y: inout Matrix
  ) -> Record {
    let tokens = routed.map(\.token)
    let input = x.rows(tokens)
    let (g, u) = (gate.outputs(of: input), up.outputs(of: input))
    let activation = Self.activation(g, u)
    let output = down.outputs(of: activation)
    y.add(output, toRows: tokens, weights: routed.map(\.weight))
    return Record(
      tokens: tokens, weights: routed.map(\.weight), input: input, gate: g, up: u,
      activation: activation, output: output)
  }

  /// - Parameters:
  ///   - slope: Of y, all tokens.
  ///   - record: What went there.
  ///   - inputSlope: Slopes of x are added to it, all tokens.
  ///   - observe: Is shown the projections.
  /// - Returns: Slopes of the weights of the outputs, one for each token that came here.
  func slope(
    of slope: Matrix, _ record: Record, addingTo inputSlope: inout Matrix,
    observe: (LinearSlope) throws -> Void
  ) rethrows -> [Float] {
    let unweighted = slope.rows(record.tokens)
    let weightSlopes = unweighted.rowDots(record.output)
    let outputSlope = unweighted.scalingRows(by: record.weights)
    try observe(down.slope(outputSlope, at: record.activation, tokens: record.tokens))
    let (gateSlope, upSlope) = Self.slopes(
      of: down.inputSlope(of: outputSlope), record.gate, record.up)
    try observe(gate.slope(gateSlope, at: record.input, tokens: record.tokens))
    try observe(up.slope(upSlope, at: record.input, tokens: record.tokens))
    let ones = [Float](repeating: 1, count: record.tokens.count)
    inputSlope.add(gate.inputSlope(of: gateSlope), toRows: record.tokens, weights: ones)
    inputSlope.add(up.inputSlope(of: upSlope), toRows: record.tokens, weights: ones)
    return weightSlopes
  }

  private static func activation(_ gate: Matrix, _ up: Matrix) -> Matrix {
    var result = Matrix(rows: gate.rows, columns: gate.columns)
    gate.storage.withUnsafeBufferPointer { gate in
      up.storage.withUnsafeBufferPointer { up in
        result.storage.withUnsafeMutableBufferPointer { result in
          guard let gate = gate.baseAddress, let up = up.baseAddress,
            let target = result.baseAddress
          else { return }
          VectorMath.swiGLU(gate: gate, up: up, into: target, count: result.count)
        }
      }
    }
    return result
  }

  /// With σ = 1 / (1 + e⁻ᵍ) and a = g σ u: ∂a/∂u = g σ, ∂a/∂g = u σ (1 + g (1 - σ)).
  private static func slopes(
    of slope: Matrix, _ gate: Matrix, _ up: Matrix
  ) -> (gate: Matrix, up: Matrix) {
    var (byGate, byUp) = (slope, slope)
    for index in slope.storage.indices {
      let (g, u, d) = (gate.storage[index], up.storage[index], slope.storage[index])
      let sigmoid = 1 / (1 + expf(-g))
      byUp.storage[index] = d * g * sigmoid
      byGate.storage[index] = d * u * sigmoid * (1 + g * (1 - sigmoid))
    }
    return (byGate, byUp)
  }
}

extension Matrix {
  /// A copy of some rows.
  func rows(_ indices: [Int]) -> Matrix {
    var storage: [Float] = []
    storage.reserveCapacity(indices.count * columns)
    for row in indices { storage += self.storage[row * columns..<(row + 1) * columns] }
    return Matrix(rows: indices.count, columns: columns, storage: storage)
  }

  /// self[rows[i]] += weights[i] · other[i].
  fileprivate mutating func add(_ other: Matrix, toRows rows: [Int], weights: [Float]) {
    storage.withUnsafeMutableBufferPointer { target in
      other.storage.withUnsafeBufferPointer { source in
        for (index, row) in rows.enumerated() {
          let weight = weights[index]
          for column in 0..<columns {
            target[row * columns + column] += weight * source[index * columns + column]
          }
        }
      }
    }
  }

  /// Every row's inner product with the same row of another matrix.
  fileprivate func rowDots(_ other: Matrix) -> [Float] {
    (0..<rows).map { row in
      var sum: Float = 0
      for index in row * columns..<(row + 1) * columns {
        sum += storage[index] * other.storage[index]
      }
      return sum
    }
  }

  fileprivate func scalingRows(by factors: [Float]) -> Matrix {
    var result = self
    for row in 0..<rows {
      for index in row * columns..<(row + 1) * columns { result.storage[index] *= factors[row] }
    }
    return result
  }
}
