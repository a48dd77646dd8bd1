/// A linear regression by ordinary least squares.
///
/// `β = argmin ‖y − Xβ‖²` by an orthogonal factorization `X = QR`, never by normal equations, which
/// would square the condition number.
/// - SeeAlso: Golub and Van Loan, "Matrix computations", §5.3; White 1980, doi:10.2307/1912934.
public struct LeastSquares: Sendable, Equatable {
  /// One explaining quantity.
  public struct Predictor: Sendable, Equatable {
    public let name: String
    /// One per row.
    public let values: [Double]

    public init(_ name: String, _ values: [Double]) {
      self.name = name
      self.values = values
    }
  }

  /// Which errors of the coefficients to trust.
  public enum ErrorModel: Sendable, Equatable {
    /// Equal variance in every row: `s² (XᵀX)⁻¹`.
    case classical
    /// Unequal variances: `(XᵀX)⁻¹ Xᵀ diag(e²/(1 − h)²) X (XᵀX)⁻¹` (MacKinnon and White 1985).
    case hc3
    /// Rows of a cluster share errors: the sandwich of cluster sums, times
    /// `G/(G−1) · (n−1)/(n−p)`; t with `G − 1` degrees of freedom.
    case clustered(Clusters)

    var method: ConfidenceInterval.Method {
      switch self {
      case .classical: .studentT
      case .hc3: .robustStudentT
      case .clustered: .clusteredStudentT
      }
    }
  }

  /// The name of the constant column.
  public static let interceptName = "(intercept)"

  /// Of the intercept first, if there is one, then of the predictors as given.
  public let coefficients: [Coefficient]
  /// `y − Xβ`, shape `[rows]`.
  public let residuals: [Double]
  /// Diagonal of `X (XᵀX)⁻¹ Xᵀ`, in 0...1, shape `[rows]`.
  public let leverages: [Double]
  /// `1 − Σe² / Σ(y − ȳ)²`, without an intercept `1 − Σe² / Σy²`; nil for a constant response.
  public let rSquared: Double?
  public let hasIntercept: Bool

  /// Fits the coefficients.
  ///
  /// - Parameters:
  ///   - response: Finite, one per row.
  ///   - predictors: Finite columns as long as the response.
  ///   - hasIntercept: Whether a constant column is put in front.
  ///   - errors: How errors of the coefficients are computed.
  /// - Throws: ``StatisticsError`` for unequal lengths, NaN, not more rows than coefficients, a
  ///   predictor that the others determine, or (HC3) a row with leverage 1.
  /// - Complexity: O(rows · predictors²).
  public init(
    response: [Double], predictors: [Predictor], hasIntercept: Bool = true,
    errors: ErrorModel = .hc3
  ) throws(StatisticsError) {
    var columns = predictors
    if hasIntercept {
      let ones = [Double](repeating: 1, count: response.count)
      columns.insert(Predictor(Self.interceptName, ones), at: 0)
    }
    try Self.check(response, columns)
    let factor = try ColumnFactor(columns)
    let values = factor.coefficients(of: response)
    let rest = factor.residuals(of: response, coefficients: values)
    let sandwich = Sandwich(factor: factor, residuals: rest)
    let (variances, freedom) = try sandwich.variances(errors)
    let student = try StudentDistribution(degreesOfFreedom: Double(freedom))
    coefficients = columns.indices.map { index in
      Coefficient(
        name: columns[index].name, estimate: values[index],
        standardError: variances[index].squareRoot(), method: errors.method, student: student)
    }
    residuals = rest
    leverages = factor.leverages
    rSquared = Self.rSquared(response, rest, isCentered: hasIntercept)
    self.hasIntercept = hasIntercept
  }

  private static func check(
    _ response: [Double], _ columns: [Predictor]
  ) throws(StatisticsError) {
    try requireCount(columns.count, "predictors", atLeast: 1)
    try requireSample(response, "response values", atLeast: columns.count + 1)
    for column in columns {
      try requireSameLength(
        ("response values", response.count), ("values of \(column.name)", column.values.count))
      try requireSample(column.values, "values of \(column.name)", atLeast: 1)
    }
  }

  private static func rSquared(
    _ response: [Double], _ residuals: [Double], isCentered: Bool
  ) -> Double? {
    guard let summary = SampleSummary(response) else { return nil }
    if isCentered, !summary.varies { return nil }
    let center = isCentered ? summary.mean : 0
    let total = response.reduce(0) { $0 + ($1 - center) * ($1 - center) }
    guard total > 0 else { return nil }
    return max(0, 1 - residuals.reduce(0) { $0 + $1 * $1 } / total)
  }

  /// Rows − coefficients.
  public var residualFreedom: Int { residuals.count - coefficients.count }

  /// `1 − (1 − R²) (n − 1)/(n − p)`, with n in place of n − 1 where there is no intercept.
  public var adjustedRSquared: Double? {
    let rows = Double(residuals.count - (hasIntercept ? 1 : 0))
    return rSquared.map { 1 - (1 - $0) * rows / Double(residualFreedom) }
  }

  /// The p-value of "no predictor matters", by the classical F test; nil without predictors or for
  /// a constant response.
  public var overallP: Double? {
    let predictors = coefficients.count - (hasIntercept ? 1 : 0)
    guard let rSquared, predictors > 0 else { return nil }
    let (above, below) = (Double(predictors), Double(residualFreedom))
    guard rSquared < 1 else { return 0 }
    let ratio = rSquared / above / ((1 - rSquared) / below)
    return try? FisherDistribution(numeratorFreedom: above, denominatorFreedom: below)
      .upperTail(ratio)
  }
}
