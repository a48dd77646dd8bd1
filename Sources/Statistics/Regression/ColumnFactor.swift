/// `X = QR` for a design matrix: orthonormal columns times a triangle.
struct ColumnFactor {
  /// Column-major, `[rows × columns]`, orthonormal.
  private let orthonormal: [Double]
  /// `R⁻¹`, row-major and upper triangular, `[columns × columns]`.
  private let inverse: [Double]
  private let design: [[Double]]
  let rows: Int
  var columns: Int { design.count }

  /// Factorizes by modified Gram–Schmidt, every column twice, which keeps Q orthonormal to rounding.
  ///
  /// - Parameter predictors: Columns of equal length, more rows than columns.
  /// - Throws: ``StatisticsError/collinear(_:)`` where less than 1e-10 of a column is its own.
  /// - SeeAlso: Giraud, Langou and Rozložník 2005, doi:10.1016/j.camwa.2005.08.009.
  init(_ predictors: [LeastSquares.Predictor]) throws(StatisticsError) {
    let (rows, columns) = (predictors[0].values.count, predictors.count)
    var basis: [[Double]] = []
    var triangle = [Double](repeating: 0, count: columns * columns)
    for (column, predictor) in predictors.enumerated() {
      let length = norm(predictor.values)
      var own = predictor.values
      for _ in 0..<2 {
        for (earlier, direction) in basis.enumerated() {
          let part = dot(direction, own)
          triangle[earlier * columns + column] += part
          for row in 0..<rows { own[row] -= part * direction[row] }
        }
      }
      let rest = norm(own)
      guard rest > 1e-10 * length else { throw .collinear(predictor.name) }
      triangle[column * columns + column] = rest
      basis.append(own.map { $0 / rest })
    }
    self.rows = rows
    design = predictors.map(\.values)
    orthonormal = basis.flatMap(\.self)
    inverse = invertedTriangle(triangle, size: columns)
  }

  /// `β = R⁻¹ Qᵀ y`.
  func coefficients(of response: [Double]) -> [Double] {
    var rest = response
    // Projections are taken off one by one, which loses less than Qᵀy at once.
    let projections = (0..<columns).map { column in
      let part = (0..<rows).reduce(0) { $0 + orthonormal[column * rows + $1] * rest[$1] }
      for row in 0..<rows { rest[row] -= part * orthonormal[column * rows + row] }
      return part
    }
    return (0..<columns).map { row in
      (row..<columns).reduce(0) { $0 + inverse[row * columns + $1] * projections[$1] }
    }
  }

  func residuals(of response: [Double], coefficients: [Double]) -> [Double] {
    var residuals = response
    for (column, coefficient) in zip(design, coefficients) {
      for row in 0..<rows { residuals[row] -= coefficient * column[row] }
    }
    return residuals
  }

  /// Squared row lengths of Q.
  var leverages: [Double] {
    (0..<rows).map { row in
      min(1, (0..<columns).reduce(0) { $0 + square(orthonormal[$1 * rows + row]) })
    }
  }

  /// Diagonal of `(XᵀX)⁻¹`.
  var inverseDiagonal: [Double] {
    (0..<columns).map { row in
      (row..<columns).reduce(0) { $0 + square(inverse[row * columns + $1]) }
    }
  }

  /// How much each row's response moves one coefficient: a row of `(XᵀX)⁻¹ Xᵀ`.
  func influence(on coefficient: Int) -> [Double] {
    (0..<rows).map { row in
      (coefficient..<columns).reduce(0) {
        $0 + inverse[coefficient * columns + $1] * orthonormal[$1 * rows + row]
      }
    }
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}

private func norm(_ values: [Double]) -> Double {
  // Scaled by the largest, so that squares neither overflow nor vanish.
  let largest = values.reduce(0) { max($0, abs($1)) }
  guard largest > 0 else { return 0 }
  return largest * values.reduce(0) { $0 + square($1 / largest) }.squareRoot()
}

private func square(_ value: Double) -> Double { value * value }

/// The inverse of a row-major upper triangle with a non-zero diagonal.
private func invertedTriangle(_ triangle: [Double], size: Int) -> [Double] {
  var inverse = [Double](repeating: 0, count: size * size)
  for column in 0..<size {
    inverse[column * size + column] = 1 / triangle[column * size + column]
    for row in (0..<column).reversed() {
      let sum = (row + 1...column).reduce(0) {
        $0 + triangle[row * size + $1] * inverse[$1 * size + column]
      }
      inverse[row * size + column] = -sum / triangle[row * size + row]
    }
  }
  return inverse
}
