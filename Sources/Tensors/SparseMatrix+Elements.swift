extension SparseMatrix {
  /// An element and its place.
  public struct Element: Sendable, Equatable {
    public let row: Int
    public let column: Int
    public let value: Float

    public init(row: Int, column: Int, value: Float) {
      (self.row, self.column, self.value) = (row, column, value)
    }
  }

  /// Elements in any order, at most one for a place; values are rounded to binary16.
  public init(rows: Int, columns: Int, elements: [Element]) {
    self.init(
      rows: rows, columns: columns,
      entries: elements.map { (row: $0.row, column: $0.column, value: $0.value) })
  }

  /// Number of elements.
  public var count: Int { values.count }

  /// The elements, row by row.
  public var elements: [Element] {
    (0..<rows).flatMap { row in
      (Int(rowStarts[row])..<Int(rowStarts[row + 1])).map { position in
        Element(
          row: row, column: Int(columnIndices[position]),
          value: Float(Float16(bitPattern: values[position])))
      }
    }
  }

  /// Bits of values (16 each), columns (16 each) and row starts (32 each, `rows + 1` of them).
  public var storedBits: Int { 8 * bytes }

  /// The sum with a dense matrix of the same shape, in 32 bits.
  public func added(to dense: Matrix) -> Matrix {
    precondition(
      dense.rows == rows && dense.columns == columns,
      "[\(dense.rows), \(dense.columns)] and [\(rows), \(columns)]")
    var result = dense
    for element in elements { result[element.row, element.column] += element.value }
    return result
  }
}
