/// Variances of coefficients from the residuals of a fit.
struct Sandwich {
  let factor: ColumnFactor
  let residuals: [Double]

  /// One variance per coefficient, and the degrees of freedom of t.
  ///
  /// - Parameter errors: How.
  /// - Returns: Variances in squared units of the coefficients.
  /// - Throws: ``StatisticsError``: a row of leverage 1 (HC3), or clusters that do not fit.
  func variances(
    _ errors: LeastSquares.ErrorModel
  ) throws(StatisticsError) -> (variances: [Double], degreesOfFreedom: Int) {
    let freedom = factor.rows - factor.columns
    switch errors {
    case .classical:
      let noise = residuals.reduce(0) { $0 + $1 * $1 } / Double(freedom)
      return (factor.inverseDiagonal.map { $0 * noise }, freedom)
    case .hc3:
      return (sums(try leaveOneOut(), in: Clusters(singletons: factor.rows)), freedom)
    case .clustered(let clusters):
      let groups = try checkedClusters(clusters, itemCount: factor.rows)
      let (count, rows) = (Double(groups.count), Double(factor.rows))
      let correction = count / (count - 1) * (rows - 1) / Double(freedom)
      return (sums(residuals, in: groups).map { $0 * correction }, groups.count - 1)
    }
  }

  /// `e / (1 − h)`: what the residual would be without its own row.
  private func leaveOneOut() throws(StatisticsError) -> [Double] {
    var residuals = residuals
    for (row, leverage) in factor.leverages.enumerated() {
      guard 1 - leverage > 1e-12 else { throw .fullLeverage(row: row) }
      residuals[row] /= 1 - leverage
    }
    return residuals
  }

  /// `Σ_c (Σ_{i in c} aᵢ eᵢ)²` with the influence `a` of each row on a coefficient.
  private func sums(_ residuals: [Double], in clusters: Clusters) -> [Double] {
    (0..<factor.columns).map { coefficient in
      let products = zip(factor.influence(on: coefficient), residuals).map { $0 * $1 }
      return clusters.sums(products).reduce(0) { $0 + $1 * $1 }
    }
  }
}
