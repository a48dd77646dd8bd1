/// A symmetric matrix as its lower triangle, packed row by row: (i, j ≤ i) at `i(i+1)/2 + j`.
///
/// This is how Hessians lie in files (LAPACK's column-major packed upper triangle, `uplo = 'U'`).
public struct SymmetricMatrix: Sendable, Equatable {
  public let order: Int
  /// The triangle, shape `[order * (order + 1) / 2]`.
  public var packed: [Float]

  public init(order: Int, packed: [Float]) {
    precondition(
      packed.count == order * (order + 1) / 2, "order \(order) from \(packed.count) elements")
    self.order = order
    self.packed = packed
  }

  /// A zero matrix.
  public init(order: Int) {
    self.init(order: order, packed: [Float](repeating: 0, count: order * (order + 1) / 2))
  }

  /// Packs the lower triangle of a square matrix; the upper one is not read.
  public init(lowerTriangleOf matrix: Matrix) {
    precondition(matrix.rows == matrix.columns, "[\(matrix.rows), \(matrix.columns)] is not square")
    var packed: [Float] = []
    packed.reserveCapacity(matrix.rows * (matrix.rows + 1) / 2)
    for row in 0..<matrix.rows {
      packed.append(contentsOf: matrix.storage[row * matrix.columns...row * matrix.columns + row])
    }
    self.init(order: matrix.rows, packed: packed)
  }

  @inlinable public subscript(row: Int, column: Int) -> Float {
    let (high, low) = row >= column ? (row, column) : (column, row)
    return packed[high * (high + 1) / 2 + low]
  }

  /// Diagonal elements, shape `[order]`.
  public var diagonal: [Float] {
    get { (0..<order).map { packed[$0 * ($0 + 3) / 2] } }
    set {
      precondition(newValue.count == order, "\(newValue.count) elements for order \(order)")
      for (index, value) in newValue.enumerated() { packed[index * (index + 3) / 2] = value }
    }
  }

  /// Sum of the diagonal.
  public var trace: Double { diagonal.reduce(0) { $0 + Double($1) } }

  /// The full square matrix, shape `[order, order]`.
  public var dense: Matrix {
    var result = Matrix(rows: order, columns: order)
    for row in 0..<order {
      for column in 0...row {
        let value = packed[row * (row + 1) / 2 + column]
        result.storage[row * order + column] = value
        result.storage[column * order + row] = value
      }
    }
    return result
  }
}
