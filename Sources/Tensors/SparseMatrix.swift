import CKernels

/// A few large weights beside a packed matrix, in compressed rows with binary16 values.
public struct SparseMatrix: Sendable, Equatable {
  public let rows: Int
  /// At most 65,536, because a column takes 16 bits.
  public let columns: Int
  /// First entry of each row, and their number at the end; shape `[rows + 1]`.
  public let rowStarts: [UInt32]
  /// Ascending within a row, shape `[entries]`.
  public let columnIndices: [UInt16]
  /// binary16 bit patterns, shape `[entries]`.
  public let values: [UInt16]

  public init(
    rows: Int, columns: Int, rowStarts: [UInt32], columnIndices: [UInt16], values: [UInt16]
  ) {
    precondition(columns <= 65_536, "\(columns) columns do not fit into 16 bits")
    precondition(rowStarts.count == rows + 1, "\(rowStarts.count) row starts for \(rows) rows")
    precondition(
      columnIndices.count == values.count && Int(rowStarts[rows]) == values.count,
      "\(columnIndices.count) columns, \(values.count) values, \(rowStarts[rows]) entries")
    precondition(
      rowStarts[0] == 0 && zip(rowStarts, rowStarts.dropFirst()).allSatisfy { $0 <= $1 },
      "row starts descend")
    precondition(
      columnIndices.allSatisfy { Int($0) < columns }, "a column outside 0..<\(columns)")
    self.rows = rows
    self.columns = columns
    self.rowStarts = rowStarts
    self.columnIndices = columnIndices
    self.values = values
  }

  /// Collects entries; values are rounded to binary16, ties to even.
  ///
  /// - Parameters:
  ///   - rows: Of the matrix.
  ///   - columns: At most 65,536.
  ///   - entries: In any order, each place at most once.
  public init(rows: Int, columns: Int, entries: [(row: Int, column: Int, value: Float)]) {
    let sorted = entries.sorted { ($0.row, $0.column) < ($1.row, $1.column) }
    var rowStarts = [UInt32](repeating: 0, count: rows + 1)
    for entry in sorted { rowStarts[entry.row + 1] += 1 }
    for row in 0..<rows { rowStarts[row + 1] += rowStarts[row] }
    self.init(
      rows: rows, columns: columns, rowStarts: rowStarts,
      columnIndices: sorted.map { UInt16($0.column) },
      values: sorted.map { Float16(HalfPrecision.roundedToFloat16($0.value)).bitPattern })
  }

  /// Bytes that are stored: 4 an entry and 4 a row.
  public var bytes: Int { 4 * rowStarts.count + 4 * values.count }

  /// All elements, shape `[rows, columns]`.
  ///
  /// - Returns: Zeros but for the entries; exact.
  public func dense() -> Matrix {
    var result = Matrix(rows: rows, columns: columns)
    for row in 0..<rows {
      for entry in Int(rowStarts[row])..<Int(rowStarts[row + 1]) {
        result[row, Int(columnIndices[entry])] += Float(Float16(bitPattern: values[entry]))
      }
    }
    return result
  }

  /// `y[n, row] += S[row] x[n]` for some rows.
  ///
  /// - Parameters:
  ///   - range: Rows.
  ///   - x: Shape `[batch, columns]`.
  ///   - batch: Vectors.
  ///   - y: Added to, shape `[batch, rows]`.
  func add(
    rows range: Range<Int>, x: UnsafePointer<Float>, batch: Int, to y: UnsafeMutablePointer<Float>
  ) {
    rowStarts.withUnsafeBufferPointer { starts in
      columnIndices.withUnsafeBufferPointer { columns in
        values.withUnsafeBufferPointer { values in
          // SAFETY: the initializer has checked every row start and every column.
          var view = ck_sparse(
            row_starts: starts.baseAddress, columns: columns.baseAddress,
            values: values.baseAddress)
          ck_sparse_add(
            &view, range.lowerBound, range.upperBound, x, self.columns, batch, y, rows)
        }
      }
    }
  }
}
