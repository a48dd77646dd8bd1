extension LeastSquares.Predictor {
  /// The predictor with mean 0 and standard deviation 1, so that coefficients of unlike units compare.
  ///
  /// - Returns: `(x − mean) / s`, under the same name.
  /// - Throws: ``StatisticsError`` for fewer than two values, NaN or a constant.
  public func standardized() throws(StatisticsError) -> LeastSquares.Predictor {
    try requireSample(values, "values of \(name)", atLeast: 2)
    guard let summary = SampleSummary(values), let deviation = summary.standardDeviation,
      deviation > 0
    else { throw .collinear(name) }
    return LeastSquares.Predictor(name, values.map { ($0 - summary.mean) / deviation })
  }
}
