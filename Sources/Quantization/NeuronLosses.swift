import Tensors

/// What each neuron of an expert loses at each bit-width, per token (DECISIONS: Neuron units).
///
///     neuron j:  δ_g S_x δ_gᵀ / n  +  δ_u S_x δ_uᵀ / n  +  ‖Δ_j‖² (S_h)_jj / n
///
/// δ_g and δ_u are the errors of row j of gate and up on the family's grid, Δ_j that of column j of
/// down with one scale for the whole column. S_x and S_h are the second moments of the inputs.
/// Neglected are the cross terms of S_h between neurons and that down is stored with scales along its
/// rows; ``MixedLevels`` measures with both.
public struct NeuronLosses: Sendable, Equatable {
  /// Rising.
  public let bits: [Int]
  /// Of row j of gate and row j of up together, shape `[bits][neurons]`; exact.
  public let gateAndUp: [[Double]]
  /// Of column j of down, shape `[bits][neurons]`.
  public let down: [[Double]]

  public var neurons: Int { gateAndUp.first?.count ?? 0 }

  /// Rounds an expert to each bit-width.
  ///
  /// - Parameters:
  ///   - weights: The expert.
  ///   - moments: With tokens.
  ///   - bits: Whole bits, rising.
  ///   - family: Grids of gate and up.
  /// - Throws: ``QuantizationError``.
  /// - Complexity: 2 · neurons · inputs² / 2 multiply-adds for each bit-width.
  public init(
    _ weights: GatedWeights, moments: GatedMoments, bits: [Int], family: GridFamily
  ) throws(QuantizationError) {
    precondition(moments.hasTokens, "no tokens")
    var columns = family
    columns.groupSize = nil
    let transposedDown = weights.down.transposed
    let squares = moments.hidden.sum.diagonal.map { Double($0) / Double(moments.hidden.tokens) }
    var (gateAndUp, down): ([[Double]], [[Double]]) = ([], [])
    for width in bits {
      let grid = try family.grid(bits: width)
      var sum = [Double](repeating: 0, count: weights.neurons)
      for matrix in [weights.gate, weights.up] {
        let rows = ProxyLoss.perRow(
          of: try Self.error(matrix, on: grid), under: moments.input.sum)
        for (neuron, loss) in rows.enumerated() {
          // A quadratic form of a sum stored in f32 can round below 0.
          sum[neuron] += max(loss, 0) / Double(moments.input.tokens)
        }
      }
      gateAndUp.append(sum)
      let errors = try Self.error(transposedDown, on: columns.grid(bits: width))
      down.append(squares.enumerated().map { $1 * errors.squaredNorm(ofRow: $0) })
    }
    (self.bits, self.gateAndUp, self.down) = (bits, gateAndUp, down)
  }

  /// Loss of each neuron at some bits, gate, up and down together.
  public func total(bits: Int) -> [Double] {
    let level = index(of: bits)
    return zip(gateAndUp[level], down[level]).map { $0 + $1 }
  }

  /// Neurons by the loss that they drop from few bits to more; ties by index.
  public func order(from low: Int, to high: Int) -> NeuronOrder {
    NeuronOrder(falling: zip(total(bits: low), total(bits: high)).map { $0 - $1 })
  }

  /// Neurons of an expert by the loss that they drop between two bit-widths; in their places if no
  /// token reached it.
  ///
  /// - Parameters:
  ///   - weights: The expert.
  ///   - moments: Of its inputs.
  ///   - rank: The lower and the higher bits.
  ///   - family: Grids of any bits.
  /// - Returns: The order.
  /// - Throws: ``QuantizationError``.
  public static func order(
    of weights: GatedWeights, moments: GatedMoments, rank: ClosedRange<Int>, family: GridFamily
  ) throws(QuantizationError) -> NeuronOrder {
    guard moments.hasTokens, rank.lowerBound < rank.upperBound else {
      return .identity(weights.neurons)
    }
    return try NeuronLosses(
      weights, moments: moments, bits: [rank.lowerBound, rank.upperBound], family: family
    ).order(from: rank.lowerBound, to: rank.upperBound)
  }

  public func index(of bits: Int) -> Int {
    guard let level = self.bits.firstIndex(of: bits) else {
      preconditionFailure("\(bits) bits are not in \(self.bits)")
    }
    return level
  }

  private static func error(
    _ weights: Matrix, on grid: AffineGrid
  ) throws(QuantizationError) -> Matrix {
    try RoundToNearest.quantize(weights, grid: grid).dequantized().minus(weights)
  }
}

extension Matrix {
  /// Σ of the squares of a row.
  fileprivate func squaredNorm(ofRow row: Int) -> Double {
    var sum = 0.0
    for value in storage[row * columns..<(row + 1) * columns] {
      sum += Double(value) * Double(value)
    }
    return sum
  }
}
