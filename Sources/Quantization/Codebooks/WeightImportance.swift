import Tensors

/// What an error of a weight costs: the loss of a codebook is Σ importance · (ŵ - w)².
public enum WeightImportance: Sendable, Equatable {
  /// The diagonal of the Fisher matrix, F_ij = Σ g_ij² over calibration samples, shape of W.
  case fisher(Matrix)
  /// The diagonal of H = 2 S / n or of S, one number for each column.
  case inputs([Float])
  /// Every weight alike.
  case equal

  /// Throws unless there is a finite number >= 0 for each weight.
  ///
  /// - Parameter weights: W.
  /// - Throws: ``QuantizationError``.
  func check(for weights: Matrix) throws(QuantizationError) {
    let (values, shape): ([Float], [Int])
    switch self {
    case .fisher(let matrix): (values, shape) = (matrix.storage, [matrix.rows, matrix.columns])
    case .inputs(let diagonal): (values, shape) = (diagonal, [diagonal.count])
    case .equal: return
    }
    guard shape == [weights.rows, weights.columns] || shape == [weights.columns] else {
      throw .sensitivityShape(weights: [weights.rows, weights.columns], sensitivity: shape)
    }
    guard let index = values.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) else { return }
    let (row, column) = (index / weights.columns, index % weights.columns)
    guard values[index].isFinite else { throw .notFiniteSensitivity(row: row, column: column) }
    throw .negativeSensitivity(row: row, column: column, value: values[index])
  }

  /// The weights of k-means for a part of a row, shape `[columns.count]`.
  ///
  /// A weight that is 0, as outliers are once they are taken out, counts nothing; where nothing
  /// counts, everything counts 1 (METHODS §2.4).
  ///
  /// - Parameters:
  ///   - weights: W.
  ///   - row: Of W.
  ///   - columns: Of W.
  /// - Returns: Numbers >= 0, at least one of them above 0.
  func values(for weights: Matrix, row: Int, columns: Range<Int>) -> [Float] {
    let start = row * weights.columns
    let values = columns.map { column -> Float in
      guard weights.storage[start + column] != 0 else { return 0 }
      switch self {
      case .fisher(let matrix): return matrix.storage[start + column]
      case .inputs(let diagonal): return diagonal[column]
      case .equal: return 1
      }
    }
    return values.contains { $0 > 0 } ? values : [Float](repeating: 1, count: columns.count)
  }
}
