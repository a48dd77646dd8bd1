import COpenBLAS

/// Why a matrix has no Cholesky factor.
public enum CholeskyError: Error, Equatable {
  /// Row and column (equal) at which the elimination, from the last column on, met a pivot `<= 0`.
  case notPositiveDefinite(pivot: Int, order: Int)
  case notFinite(row: Int, column: Int)
}

extension CholeskyError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notPositiveDefinite(let pivot, let order):
      "Matrix of order \(order) is not positive definite at pivot \(pivot); add to its diagonal."
    case .notFinite(let row, let column):
      "Matrix element (\(row), \(column)) is NaN or infinite; recompute the statistics behind it."
    }
  }
}

/// Triangular factors through LAPACK, in double precision.
public enum Cholesky {
  /// The upper triangular U with `(H + d I)⁻¹ = Uᵀ U`: GPTQ's `cholesky(H⁻¹, upper=True)`.
  ///
  /// The inverse is never formed. With J the reversal of the order, `J H J = L Lᵀ` gives
  /// `U = J L⁻¹ J`; reversing a row-major array from end to end is `J · J`, so one `dpotrf` and one
  /// `dtrtri` on the reversed array suffice.
  ///
  /// - Parameters:
  ///   - matrix: H, symmetric, order n.
  ///   - diagonal: d, added to every diagonal element in double precision.
  /// - Returns: U, shape `[n, n]`, zero below the diagonal, rounded to 32-bit floats at the end.
  /// - Throws: ``CholeskyError`` if an element is not finite or a pivot is not positive.
  /// - Complexity: n³/3 multiply-adds, 8n² + 4n² bytes.
  public static func upperFactorOfInverse(
    of matrix: SymmetricMatrix, addingToDiagonal diagonal: Double = 0
  ) throws(CholeskyError) -> Matrix {
    let order = matrix.order
    guard order > 0 else { return Matrix(rows: 0, columns: 0) }
    if let place = matrix.firstNonFinite { throw .notFinite(row: place.row, column: place.column) }
    guard diagonal.isFinite else { throw .notFinite(row: 0, column: 0) }
    var reversed = reversedUpperTriangle(of: matrix, addingToDiagonal: diagonal)
    var size = Int32(order)
    var failure: Int32 = 0
    // SAFETY: the array holds order * order doubles; LAPACK reads and writes only those. The
    // column-major upper triangle it is told of is our row-major lower one.
    reversed.withUnsafeMutableBufferPointer { buffer in
      dpotrf_("U", &size, buffer.baseAddress, &size, &failure)
      if failure == 0 { dtrtri_("U", "N", &size, buffer.baseAddress, &size, &failure) }
    }
    guard failure == 0 else {
      throw .notPositiveDefinite(pivot: order - Int(failure), order: order)
    }
    return Matrix(rows: order, columns: order, storage: reversedFloats(reversed))
  }

  /// Columns of a tile: tiles of source and target together stay in the first-level cache.
  private static let tileSize = 32

  /// H + d I, row-major from end to end, upper triangle only (zeros elsewhere).
  private static func reversedUpperTriangle(
    of matrix: SymmetricMatrix, addingToDiagonal diagonal: Double
  ) -> [Double] {
    let order = matrix.order
    let last = order * order - 1
    var reversed = [Double](repeating: 0, count: order * order)
    reversed.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return }
      // SAFETY: chunks are disjoint ranges of columns, element (row, column) is written once.
      nonisolated(unsafe) let target = start
      forEachChunk(of: order, size: tileSize) { columns in
        for firstRow in stride(from: 0, to: columns.upperBound, by: tileSize) {
          for column in columns where firstRow <= column {
            let packed = column * (column + 1) / 2
            for row in firstRow...min(firstRow + tileSize - 1, column) {
              target[last - (row * order + column)] = Double(matrix.packed[packed + row])
            }
          }
        }
        for index in columns { target[last - index * (order + 1)] += diagonal }
      }
    }
    return reversed
  }

  private static func reversedFloats(_ values: [Double]) -> [Float] {
    [Float](unsafeUninitializedCapacity: values.count) { buffer, count in
      count = values.count
      guard let start = buffer.baseAddress else { return }
      // SAFETY: every element is initialized by exactly one chunk.
      nonisolated(unsafe) let target = start
      forEachChunk(of: values.count, size: 1 << 16) { chunk in
        values.withUnsafeBufferPointer { source in
          for index in chunk { target[index] = Float(source[values.count - 1 - index]) }
        }
      }
    }
  }
}

extension SymmetricMatrix {
  /// The position of the first element, in packed order, that is NaN or infinite, or nil.
  public var firstNonFinite: (row: Int, column: Int)? {
    guard !packed.allFinite, let index = packed.firstIndex(where: { !$0.isFinite }) else {
      return nil
    }
    var column = 0
    while (column + 1) * (column + 2) / 2 <= index { column += 1 }
    return (index - column * (column + 1) / 2, column)
  }
}
