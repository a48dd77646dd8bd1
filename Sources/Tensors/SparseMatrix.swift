/// A matrix of few elements in compressed sparse rows; all others are zero.
///
/// Elements of row r are `rowStarts[r] ..< rowStarts[r + 1]` of indices and values, columns rising.
public struct SparseMatrix: Sendable, Equatable {
  /// Columns of the elements, in the narrowest of two types.
  public enum ColumnIndices: Sendable, Equatable {
    /// For at most 65,536 columns.
    case narrow([UInt16])
    case wide([UInt32])

    public var count: Int {
      switch self {
      case .narrow(let indices): indices.count
      case .wide(let indices): indices.count
      }
    }

    /// Bits of an index.
    public var width: Int {
      switch self {
      case .narrow: 16
      case .wide: 32
      }
    }

    public subscript(position: Int) -> Int {
      switch self {
      case .narrow(let indices): Int(indices[position])
      case .wide(let indices): Int(indices[position])
      }
    }
  }

  /// An element and its place.
  public struct Element: Sendable, Equatable {
    public let row: Int
    public let column: Int
    public let value: Float

    public init(row: Int, column: Int, value: Float) {
      (self.row, self.column, self.value) = (row, column, value)
    }
  }

  public let rows: Int
  public let columns: Int
  /// Shape `[rows + 1]`, from 0 up to ``count``.
  public let rowStarts: [UInt32]
  public let columnIndices: ColumnIndices
  /// Values as binary16 bit patterns, shape `[count]`.
  public let values: [UInt16]

  public init(
    rows: Int, columns: Int, rowStarts: [UInt32], columnIndices: ColumnIndices, values: [UInt16]
  ) {
    precondition(rowStarts.count == rows + 1, "\(rowStarts.count) row starts for \(rows) rows")
    precondition(
      columnIndices.count == values.count,
      "\(columnIndices.count) columns for \(values.count) values")
    precondition(
      rowStarts[0] == 0 && Int(rowStarts[rows]) == values.count
        && zip(rowStarts, rowStarts.dropFirst()).allSatisfy { $0 <= $1 },
      "row starts must rise from 0 to \(values.count)")
    self.rows = rows
    self.columns = columns
    self.rowStarts = rowStarts
    self.columnIndices = columnIndices
    self.values = values
    for row in 0..<rows {
      var next = 0
      for position in positions(ofRow: row) {
        let column = columnIndices[position]
        precondition(
          (next..<columns).contains(column), "column \(column) of row \(row) out of order")
        next = column + 1
      }
    }
  }

  /// Elements in any order, at most one for a place; values are rounded to binary16.
  public init(rows: Int, columns: Int, elements: [Element]) {
    let sorted = elements.sorted { ($0.row, $0.column) < ($1.row, $1.column) }
    var counts = [UInt32](repeating: 0, count: rows + 1)
    for element in sorted { counts[element.row + 1] += 1 }
    for row in 0..<rows { counts[row + 1] += counts[row] }
    self.init(
      rows: rows, columns: columns, rowStarts: counts,
      columnIndices: columns <= 1 << 16
        ? .narrow(sorted.map { UInt16($0.column) }) : .wide(sorted.map { UInt32($0.column) }),
      values: sorted.map { Float16($0.value).bitPattern })
  }

  /// Number of elements.
  public var count: Int { values.count }

  /// Where the elements of a row lie in ``columnIndices`` and ``values``.
  public func positions(ofRow row: Int) -> Range<Int> {
    Int(rowStarts[row])..<Int(rowStarts[row + 1])
  }

  /// The elements, row by row.
  public var elements: [Element] {
    (0..<rows).flatMap { row in
      positions(ofRow: row).map { position in
        Element(
          row: row, column: columnIndices[position],
          value: Float(Float16(bitPattern: values[position])))
      }
    }
  }

  /// Bits of values (16 each), columns (16 or 32 each) and row starts (32 each, `rows + 1` of them).
  public var storedBits: Int { count * (16 + columnIndices.width) + 32 * (rows + 1) }

  /// The sum with a dense matrix of the same shape, in 32 bits.
  public func added(to dense: Matrix) -> Matrix {
    precondition(
      dense.rows == rows && dense.columns == columns,
      "[\(dense.rows), \(dense.columns)] and [\(rows), \(columns)]")
    var result = dense
    for element in elements { result[element.row, element.column] += element.value }
    return result
  }

  /// The same with zeros written out.
  public func dequantized() -> Matrix { added(to: Matrix(rows: rows, columns: columns)) }
}
