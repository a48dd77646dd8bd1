import Statistics
import Tensors
import Testing

@Suite("Factor of an inverse")
struct CholeskyTests {
  @Test("a 2 by 2 matrix has the factor worked out by hand")
  func smallCase() throws {
    // H = [[4, 2], [2, 5]], H⁻¹ = [[5, -2], [-2, 4]] / 16 = Uᵀ U.
    let factor = try Cholesky.upperFactorOfInverse(
      of: SymmetricMatrix(order: 2, packed: [4, 2, 5]))
    let diagonal = Float(5.0 / 16).squareRoot()
    let expected: [Float] = [diagonal, -0.125 / diagonal, 0, Float(0.2).squareRoot()]
    for (value, wanted) in zip(factor.storage, expected) {
      // Two roundings to 24 bits.
      #expect(abs(value - wanted) <= 2 * Float.ulpOfOne)
    }
  }

  @Test("U is upper triangular and U (H + dI) Uᵀ is the identity", arguments: [1, 2, 7, 33])
  func whitensTheMatrix(order: Int) throws {
    let matrix = gram(order: order, samples: 2 * order, seed: 5)
    let factor = try Cholesky.upperFactorOfInverse(of: matrix, addingToDiagonal: 0.1)
    for i in 0..<order {
      for j in 0..<i { #expect(factor[i, j] == 0) }
      for j in 0..<order {
        let value = form(factor, matrix, rows: i, j, diagonal: 0.1)
        // Elements of U carry 2⁻²⁴; the condition number of H + dI stays below 10.
        #expect(abs(value - (i == j ? 1 : 0)) < 1e-5, "(\(i), \(j))")
      }
    }
  }

  @Test("a matrix that is not positive definite is refused with the failing pivot")
  func refusesIndefinite() {
    // Columns 2 and 3 are fine; column 1 equals column 3.
    let packed: [Float] = [1, 0, 1, 0, 0, 1, 0, 1, 0, 1]
    #expect(throws: CholeskyError.notPositiveDefinite(pivot: 1, order: 4)) {
      try Cholesky.upperFactorOfInverse(of: SymmetricMatrix(order: 4, packed: packed))
    }
  }

  @Test("NaN is refused with its place, an empty matrix has an empty factor")
  func edges() throws {
    #expect(throws: CholeskyError.notFinite(row: 0, column: 1)) {
      try Cholesky.upperFactorOfInverse(of: SymmetricMatrix(order: 2, packed: [1, .nan, 1]))
    }
    let empty = try Cholesky.upperFactorOfInverse(of: SymmetricMatrix(order: 0, packed: []))
    #expect(empty.storage.isEmpty)
  }

  /// Σ x xᵀ / samples of uniform vectors in -1...1.
  private func gram(order: Int, samples: Int, seed: UInt64) -> SymmetricMatrix {
    var random = SeededGenerator(seed: seed)
    var result = SymmetricMatrix(order: order)
    for _ in 0..<samples {
      let x = (0..<order).map { _ in Float(random.below(2001) - 1000) / 1000 }
      for row in 0..<order {
        for column in 0...row {
          result.packed[row * (row + 1) / 2 + column] += x[row] * x[column] / Float(samples)
        }
      }
    }
    return result
  }

  private func form(
    _ factor: Matrix, _ matrix: SymmetricMatrix, rows i: Int, _ j: Int, diagonal: Double
  ) -> Double {
    var sum = 0.0
    for k in 0..<matrix.order {
      for l in 0..<matrix.order {
        let element = Double(matrix[k, l]) + (k == l ? diagonal : 0)
        sum += Double(factor[i, k]) * element * Double(factor[j, l])
      }
    }
    return sum
  }
}
