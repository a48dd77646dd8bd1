import Tensors

/// The layer-wise loss tr(Δ S Δᵀ) of a weight error Δ under input second moments S.
///
/// With S = Σ x xᵀ it is the summed squared error of the layer's output.
public enum ProxyLoss {
  /// tr(Δ S Δᵀ).
  ///
  /// - Parameters:
  ///   - difference: Δ = Ŵ - W, shape `[outputs, inputs]`.
  ///   - moments: S, order `inputs`.
  /// - Returns: A sum over outputs, >= 0 up to rounding.
  public static func total(of difference: Matrix, under moments: SymmetricMatrix) -> Double {
    perRow(of: difference, under: moments).reduce(0, +)
  }

  /// tr(Δ S Δᵀ) for Δ = quantized - weights.
  public static func total(
    weights: Matrix, quantized: some QuantizedMatrix, under moments: SymmetricMatrix
  ) -> Double {
    total(of: difference(weights: weights, quantized: quantized), under: moments)
  }

  private static func difference(weights: Matrix, quantized: some QuantizedMatrix) -> Matrix {
    precondition(
      weights.rows == quantized.rows && weights.columns == quantized.columns,
      "[\(weights.rows), \(weights.columns)] against [\(quantized.rows), \(quantized.columns)]")
    var difference = quantized.dequantized()
    for index in difference.storage.indices {
      difference.storage[index] -= weights.storage[index]
    }
    return difference
  }

  /// tr(Δ S Δᵀ) with what was kept of S; what was not counts as zero.
  public static func total(of difference: Matrix, under moments: SecondMoments) -> Double {
    perRow(of: difference, under: moments).reduce(0, +)
  }

  /// tr(Δ S Δᵀ) for Δ = quantized - weights, with what was kept of S.
  public static func total(
    weights: Matrix, quantized: some QuantizedMatrix, under moments: SecondMoments
  ) -> Double {
    total(of: difference(weights: weights, quantized: quantized), under: moments)
  }

  /// The diagonal of Δ S Δᵀ with what was kept of S, shape `[outputs]`.
  public static func perRow(of difference: Matrix, under moments: SecondMoments) -> [Double] {
    precondition(
      difference.columns == moments.order,
      "[\(difference.rows), \(difference.columns)] under order \(moments.order)")
    switch moments {
    case .full(let matrix): return perRow(of: difference, under: matrix)
    case .diagonal(let squares):
      return (0..<difference.rows).map { row in
        squares.enumerated().reduce(0) { sum, square in
          let error = Double(difference[row, square.offset])
          return sum + error * error * Double(square.element)
        }
      }
    case .blockDiagonal(let matrix):
      var result = [Double](repeating: 0, count: difference.rows)
      var start = 0
      for block in matrix.blocks {
        let part = difference.columns(start..<start + block.order)
        for (row, loss) in perRow(of: part, under: block).enumerated() { result[row] += loss }
        start += block.order
      }
      return result
    }
  }

  /// The diagonal of Δ S Δᵀ, shape `[outputs]`, each in double precision.
  ///
  /// dᵀ S d = Σᵢ dᵢ (Sᵢᵢ dᵢ + 2 Σⱼ₍ⱼ﹤ᵢ₎ Sᵢⱼ dⱼ), eight rows d at a time.
  /// - Complexity: rows · columns² / 2 multiply-adds.
  public static func perRow(of difference: Matrix, under moments: SymmetricMatrix) -> [Double] {
    precondition(
      difference.columns == moments.order,
      "[\(difference.rows), \(difference.columns)] under order \(moments.order)")
    let tiles = concurrentTiles(rows: difference.rows, tileRows: 8) { rows in
      var lanes = [SIMD8<Double>](repeating: .zero, count: difference.columns)
      for (lane, row) in rows.enumerated() {
        for column in lanes.indices {
          lanes[column][lane] = Double(difference.storage[row * difference.columns + column])
        }
      }
      let forms = quadraticForms(lanes, moments.packed)
      return (0..<rows.count).map { forms[$0] }
    }
    return tiles.flatMap(\.self)
  }

  /// dᵀ S d for eight vectors d; four partial sums hide the latency of the additions.
  private static func quadraticForms(
    _ vectors: [SIMD8<Double>], _ packed: [Float]
  ) -> SIMD8<Double> {
    var result = SIMD8<Double>.zero
    var start = 0
    for row in vectors.indices {
      var sums = (SIMD8<Double>.zero, SIMD8<Double>.zero, SIMD8<Double>.zero, SIMD8<Double>.zero)
      var column = 0
      while column + 4 <= row {
        sums.0 += vectors[column] * Double(packed[start + column])
        sums.1 += vectors[column + 1] * Double(packed[start + column + 1])
        sums.2 += vectors[column + 2] * Double(packed[start + column + 2])
        sums.3 += vectors[column + 3] * Double(packed[start + column + 3])
        column += 4
      }
      while column < row {
        sums.0 += vectors[column] * Double(packed[start + column])
        column += 1
      }
      let below = (sums.0 + sums.1) + (sums.2 + sums.3)
      result += vectors[row] * (2 * below + vectors[row] * Double(packed[start + row]))
      start += row + 1
    }
    return result
  }
}
