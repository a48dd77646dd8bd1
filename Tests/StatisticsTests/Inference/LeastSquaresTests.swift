import Statistics
import Testing

@Suite("Least squares")
struct LeastSquaresTests {
  typealias Predictor = LeastSquares.Predictor

  private func predictors(_ golden: StatisticsGolden.Regression) -> [Predictor] {
    zip(["depth", "frequency", "score"], golden.predictors).map { Predictor($0, $1) }
  }

  @Test("coefficients, three kinds of errors, R² and F are those of statsmodels")
  func golden() throws {
    let golden = try StatisticsGolden.load().regression
    let columns = predictors(golden)
    let kinds: [(LeastSquares.ErrorModel, [Double])] = [
      (.classical, golden.classical), (.hc3, golden.hc3),
      (.clustered(Clusters(golden.labels)), golden.cluster),
    ]
    for (errors, wanted) in kinds {
      let fit = try LeastSquares(response: golden.response, predictors: columns, errors: errors)
      let methods = try Set(fit.coefficients.map { try $0.interval().method })
      #expect(methods.count == 1)
      for (index, coefficient) in fit.coefficients.enumerated() {
        expectClose(coefficient.estimate, golden.coefficients[index], within: 1e-10)
        expectClose(coefficient.standardError, wanted[index], within: 1e-10)
      }
    }
    let fit = try LeastSquares(
      response: golden.response, predictors: columns, errors: .classical)
    for (index, coefficient) in fit.coefficients.enumerated() {
      expectClose(coefficient.pValue, golden.p[index], within: 1e-9)
      let interval = try coefficient.interval()
      expectClose(interval.lower, golden.interval[2 * index], within: 1e-9)
      expectClose(interval.upper, golden.interval[2 * index + 1], within: 1e-9)
    }
    expectClose(fit.rSquared, golden.rSquared, within: 1e-11)
    expectClose(fit.adjustedRSquared, golden.adjusted, within: 1e-11)
    expectClose(fit.overallP, golden.fP, within: 1e-9)
    for (got, wanted) in zip(fit.leverages, golden.leverage) {
      expectClose(got, wanted, within: 1e-11)
    }
    let throughZero = try LeastSquares(
      response: golden.response, predictors: columns, hasIntercept: false)
    expectClose(throughZero.rSquared, golden.throughZeroRSquared, within: 1e-11)
  }

  @Test("residuals are orthogonal to every predictor; leverages add up to the coefficients")
  func orthogonality() throws {
    let golden = try StatisticsGolden.load().regression
    let fit = try LeastSquares(response: golden.response, predictors: predictors(golden))
    for column in golden.predictors {
      let product = zip(column, fit.residuals).reduce(0) { $0 + $1.0 * $1.1 }
      // 48 products of order 1.
      #expect(abs(product) < 1e-11)
    }
    #expect(abs(fit.residuals.reduce(0, +)) < 1e-11)
    #expect(abs(fit.leverages.reduce(0, +) - 4) < 1e-12)
    #expect(fit.coefficients.map(\.name) == ["(intercept)", "depth", "frequency", "score"])
  }

  @Test("rescaling a predictor rescales its coefficient and nothing else")
  func scaling() throws {
    let golden = try StatisticsGolden.load().regression
    var columns = predictors(golden)
    let before = try LeastSquares(response: golden.response, predictors: columns)
    columns[1] = Predictor("frequency", columns[1].values.map { $0 * 1e9 })
    let after = try LeastSquares(response: golden.response, predictors: columns)
    expectClose(
      after.coefficients[2].estimate * 1e9, before.coefficients[2].estimate, within: 1e-10)
    expectClose(after.coefficients[2].pValue, try #require(before.coefficients[2].pValue))
    expectClose(after.coefficients[3].estimate, before.coefficients[3].estimate, within: 1e-10)
    expectClose(after.rSquared, try #require(before.rSquared), within: 1e-11)
  }

  @Test("an intercept alone is the mean with its error")
  func interceptOnly() throws {
    let values = [2.0, 4, 4, 5, 9, 1]
    let labels = Clusters(["a", "a", "b", "b", "c", "c"])
    let mean = try MeanEstimate(values)
    let fit = try LeastSquares(response: values, predictors: [], errors: .classical)
    expectClose(fit.coefficients[0].estimate, mean.mean, within: 1e-14)
    expectClose(fit.coefficients[0].standardError, mean.standardError, within: 1e-14)
    #expect(fit.overallP == nil)
    let grouped = try LeastSquares(
      response: values, predictors: [], errors: .clustered(labels))
    expectClose(
      grouped.coefficients[0].standardError,
      try MeanEstimate(values, clusters: labels).standardError, within: 1e-14)
  }

  @Test("a standardized predictor has mean 0 and deviation 1")
  func standardized() throws {
    let column = try Predictor("kurtosis", [3, 1e6, -4, 12]).standardized()
    let summary = try #require(SampleSummary(column.values))
    #expect(abs(summary.mean) < 1e-15)
    expectClose(summary.standardDeviation, 1, within: 1e-14)
    #expect(throws: StatisticsError.collinear("flat")) {
      try Predictor("flat", [2, 2]).standardized()
    }
  }

  @Test("what cannot be fitted is refused by name")
  func refusals() throws {
    let x = [1.0, 2, 4, 7, 3]
    let y = [2.0, 1, 5, 8, 1]
    #expect(throws: StatisticsError.collinear("twice")) {
      try LeastSquares(
        response: y, predictors: [Predictor("x", x), Predictor("twice", x.map { 2 * $0 + 1 })])
    }
    #expect(throws: StatisticsError.collinear("zero")) {
      try LeastSquares(
        response: y, predictors: [Predictor("zero", [0, 0, 0, 0, 0])], hasIntercept: false)
    }
    #expect(throws: StatisticsError.fullLeverage(row: 2)) {
      try LeastSquares(response: y, predictors: [Predictor("dummy", [0, 0, 1, 0, 0])])
    }
    #expect(throws: StatisticsError.lengthsDiffer("response values", 5, "values of x", 4)) {
      try LeastSquares(response: y, predictors: [Predictor("x", [1, 2, 3, 4])])
    }
    #expect(throws: StatisticsError.notFinite("values of x", index: 0)) {
      try LeastSquares(response: y, predictors: [Predictor("x", [.nan, 2, 3, 4, 5])])
    }
    #expect(throws: StatisticsError.tooFew("response values", count: 2, needed: 3)) {
      try LeastSquares(response: [1, 2], predictors: [Predictor("x", [1, 2])])
    }
    let flat = try LeastSquares(response: [3, 3, 3, 3, 3], predictors: [Predictor("x", x)])
    #expect(flat.rSquared == nil)
  }
}
