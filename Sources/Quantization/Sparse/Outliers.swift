public import Tensors

/// The places of a matrix whose weights are kept beside the codes.
public struct Outliers: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  /// `row * columns + column`, rising.
  public let indices: [Int]
  /// How many of them are sensitive values; the others are range outliers.
  public let sensitiveCount: Int
  /// T of the range outliers; nil: there are none.
  public let threshold: Double?

  /// - Parameters:
  ///   - rows: Of the matrix.
  ///   - columns: Of the matrix.
  ///   - indices: `row * columns + column`, rising.
  ///   - sensitiveCount: How many are sensitive values.
  ///   - threshold: T of the range outliers.
  public init(
    rows: Int, columns: Int, indices: [Int], sensitiveCount: Int = 0, threshold: Double? = nil
  ) {
    precondition(
      indices.allSatisfy { (0..<rows * columns).contains($0) }
        && zip(indices, indices.dropFirst()).allSatisfy { $0 < $1 },
      "indices must rise within [\(rows), \(columns)]")
    self.rows = rows
    self.columns = columns
    self.indices = indices
    self.sensitiveCount = sensitiveCount
    self.threshold = threshold
  }

  /// Outliers for each weight, 0…1.
  public var fraction: Double { Double(indices.count) / Double(max(rows * columns, 1)) }

  func check(for weights: Matrix) throws(QuantizationError) {
    guard weights.rows == rows, weights.columns == columns else {
      throw .outlierShape(weights: [weights.rows, weights.columns], outliers: [rows, columns])
    }
    guard columns <= 1 << 16 else { throw .tooManyColumns(columns) }
  }

  /// The matrix with outliers set to 0: what the dense part is quantized from.
  public func removed(from weights: Matrix) throws(QuantizationError) -> Matrix {
    try check(for: weights)
    var result = weights
    for index in indices { result.storage[index] = 0 }
    return result
  }

  /// What outliers are beyond the dense part, in binary16; what that rounds to 0 is left out.
  ///
  /// - Parameters:
  ///   - weights: W.
  ///   - dense: The dense part as stored, shape of W.
  /// - Returns: W - dense at the outliers.
  /// - Throws: ``QuantizationError/valueOverflow(value:row:column:)``.
  func sparsePart(
    of weights: Matrix, beyond dense: Matrix
  ) throws(QuantizationError) -> SparseMatrix {
    var elements: [SparseMatrix.Element] = []
    for index in indices {
      let rest = weights.storage[index] - dense.storage[index]
      let (row, column) = (index / columns, index % columns)
      let half = Float16(rest)
      guard half.isFinite else { throw .valueOverflow(value: rest, row: row, column: column) }
      guard half != 0 else { continue }
      elements.append(SparseMatrix.Element(row: row, column: column, value: Float(half)))
    }
    return SparseMatrix(rows: rows, columns: columns, elements: elements)
  }

  /// Those of some rows: row r of the result is row `rows[r]` here.
  func selecting(rows: [Int]) -> Outliers {
    var selected: [Int] = []
    for (position, row) in rows.enumerated() {
      var next = indices.partitioningIndex(atLeast: row * columns)
      while next < indices.count, indices[next] < (row + 1) * columns {
        selected.append(position * columns + indices[next] % columns)
        next += 1
      }
    }
    return Outliers(rows: rows.count, columns: columns, indices: selected, threshold: threshold)
  }

  /// Those of some columns: column c of the result is column `columns[c]` here.
  func selecting(columns chosen: [Int]) -> Outliers {
    var positions = [Int?](repeating: nil, count: columns)
    for (position, column) in chosen.enumerated() { positions[column] = position }
    let selected = indices.compactMap { index in
      positions[index % columns].map { index / columns * chosen.count + $0 }
    }
    return Outliers(
      rows: rows, columns: chosen.count, indices: selected.sorted(), threshold: threshold)
  }

  /// A bit for each of sixteen rows: for each tile of some rows, shape `[columns]`.
  func lanes(ofRows rows: Range<Int>) -> [[UInt16]] {
    var lanes = [[UInt16]](
      repeating: [UInt16](repeating: 0, count: columns), count: (rows.count + 15) / 16)
    var position = indices.partitioningIndex(atLeast: rows.lowerBound * columns)
    while position < indices.count, indices[position] < rows.upperBound * columns {
      let row = indices[position] / columns - rows.lowerBound
      lanes[row / 16][indices[position] % columns] |= 1 << UInt16(row % 16)
      position += 1
    }
    return lanes
  }
}

extension [Int] {
  /// Where elements of a rising array are no longer below `bound`.
  fileprivate func partitioningIndex(atLeast bound: Int) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < bound { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension SparseMatrix.Element {
  /// The same value elsewhere.
  func moved(row: Int? = nil, column: Int? = nil) -> Self {
    SparseMatrix.Element(row: row ?? self.row, column: column ?? self.column, value: value)
  }
}
