import Tensors
import Testing

@Suite("Packed symmetric matrices")
struct SymmetricMatrixTests {
  /// Element (i, j) is 10 i + j below the diagonal, and -1 above it.
  private let square: Matrix = {
    var matrix = Matrix(rows: 4, columns: 4, storage: [Float](repeating: -1, count: 16))
    for row in 0..<4 { for column in 0...row { matrix[row, column] = Float(10 * row + column) } }
    return matrix
  }()

  @Test("the triangle is packed row by row, the order of NumPy's tril_indices")
  func order() {
    let packed = SymmetricMatrix(lowerTriangleOf: square)
    #expect(packed.packed == [0, 10, 11, 20, 21, 22, 30, 31, 32, 33])
  }

  @Test("subscript, diagonal, trace and dense form show one symmetric matrix")
  func views() {
    let packed = SymmetricMatrix(lowerTriangleOf: square)
    for row in 0..<4 {
      for column in 0..<4 {
        let expected = Float(10 * max(row, column) + min(row, column))
        #expect(packed[row, column] == expected)
        #expect(packed.dense[row, column] == expected)
      }
    }
    #expect(packed.diagonal == [0, 11, 22, 33])
    #expect(packed.trace == 66)
    #expect(SymmetricMatrix(lowerTriangleOf: packed.dense) == packed)
  }

  @Test("order 0 is a matrix without elements")
  func empty() {
    let empty = SymmetricMatrix(order: 0)
    #expect(empty.packed.isEmpty)
    #expect(empty.trace == 0)
    #expect(empty.dense == Matrix(rows: 0, columns: 0))
  }
}

@Suite("Matrices")
struct MatrixTests {
  @Test("transposing twice gives the matrix back, once swaps the indices")
  func transposed() {
    let matrix = Matrix(rows: 3, columns: 5, storage: uniform(15, seed: 9))
    #expect(matrix.transposed[4, 1] == matrix[1, 4])
    #expect(matrix.transposed.transposed == matrix)
  }

  @Test("the first NaN or infinity is found by row and column", arguments: [Float.nan, .infinity])
  func firstNonFinite(bad: Float) throws {
    var matrix = Matrix(rows: 3, columns: 5)
    #expect(matrix.firstNonFinite == nil)
    matrix[2, 1] = bad
    matrix[1, 4] = bad
    let place = try #require(matrix.firstNonFinite)
    #expect(place == (1, 4))
  }
}
