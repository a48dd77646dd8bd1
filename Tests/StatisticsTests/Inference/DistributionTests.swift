import Statistics
import Testing

@Suite("Distributions")
struct DistributionTests {
  private func evaluate(_ row: StatisticsGolden.DistributionRow) throws -> Double? {
    let (p, x) = (row.parameters, row.argument)
    switch row.name {
    case "normal cumulative": return StandardNormal.cumulative(x)
    case "normal quantile": return try StandardNormal.quantile(x)
    case "student upper": return try StudentDistribution(degreesOfFreedom: p[0]).upperTail(x)
    case "student quantile": return try StudentDistribution(degreesOfFreedom: p[0]).quantile(x)
    case "chi-square cumulative":
      return try ChiSquareDistribution(degreesOfFreedom: p[0]).cumulative(x)
    case "chi-square upper": return try ChiSquareDistribution(degreesOfFreedom: p[0]).upperTail(x)
    case "chi-square quantile": return try ChiSquareDistribution(degreesOfFreedom: p[0]).quantile(x)
    case "fisher upper":
      return try FisherDistribution(numeratorFreedom: p[0], denominatorFreedom: p[1]).upperTail(x)
    case "binomial mass": return try binomial(p).mass(Int(x))
    case "binomial cumulative": return try binomial(p).cumulative(Int(x))
    case "binomial upper": return try binomial(p).upperTail(Int(x))
    case "binomial quantile": return try Double(binomial(p).quantile(x))
    default: return nil
    }
  }

  private func binomial(_ p: [Double]) throws -> BinomialDistribution {
    try BinomialDistribution(trials: Int(p[0]), probability: p[1])
  }

  @Test("tails, masses and quantiles are SciPy's to a relative 1e-12")
  func golden() throws {
    let rows = try StatisticsGolden.load().distributions
    #expect(rows.count > 400)
    for row in rows {
      let note = "\(row.name) \(row.parameters) at \(row.argument)"
      // SciPy itself is 5e-11 off at a million trials; see the next test.
      let tolerance = row.name == "binomial cumulative" ? 1e-10 : 1e-12
      expectClose(try evaluate(row), row.value, within: tolerance, note)
    }
  }

  @Test("a million trials of small probability keep their digits")
  func millionTrials() throws {
    // (1 − p)ⁿ + n p (1 − p)ⁿ⁻¹ by mpmath with 40 digits, p being the double 1e-5.
    let exact = 0.000499378797695121799719849833
    expectClose(try binomial([1e6, 1e-5]).cumulative(1), exact, within: 1e-14)
  }

  @Test("both tails add up to 1", arguments: [0.5, 1, 3, 29, 14_041])
  func tails(freedom: Double) throws {
    let student = try StudentDistribution(degreesOfFreedom: freedom)
    let square = try ChiSquareDistribution(degreesOfFreedom: freedom)
    for x in stride(from: -5.0, through: 40, by: 0.7) {
      // One rounding of each tail.
      #expect(abs(student.cumulative(x) + student.upperTail(x) - 1) < 1e-15)
      #expect(abs(square.cumulative(x) + square.upperTail(x) - 1) < 1e-15)
    }
  }

  @Test("a quantile is undone by its distribution function")
  func roundTrip() throws {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<300 {
      let p = (Double(random.below(1_000_000)) + 0.5) / 1e6
      let student = try StudentDistribution(degreesOfFreedom: 0.3 + 40 * p)
      let square = try ChiSquareDistribution(degreesOfFreedom: 0.3 + 40 * p)
      // The relative error of a tail is some units of its exponent.
      expectClose(student.cumulative(try student.quantile(p)), p, within: 1e-12)
      expectClose(square.cumulative(try square.quantile(p)), p, within: 1e-12)
      expectClose(StandardNormal.cumulative(try StandardNormal.quantile(p)), p, within: 1e-13)
    }
  }

  @Test("a binomial quantile is the first count that reaches its probability")
  func binomialQuantile() throws {
    let binomial = try BinomialDistribution(trials: 25, probability: 0.3)
    for p in stride(from: 0.0, through: 1, by: 0.01) {
      let k = try binomial.quantile(p)
      #expect(binomial.cumulative(k) >= p)
      #expect(k == 0 || binomial.cumulative(k - 1) < p)
    }
    // 26 masses, each with a relative error near 1e-15.
    #expect(abs((0...25).reduce(0) { $0 + binomial.mass($1) } - 1) < 1e-14)
  }

  @Test("ends of the range and NaN")
  func edges() throws {
    let student = try StudentDistribution(degreesOfFreedom: 3)
    #expect(student.upperTail(.infinity) == 0)
    #expect(student.upperTail(-.infinity) == 1)
    #expect(student.upperTail(1e200) >= 0)
    #expect(student.upperTail(.nan).isNaN)
    #expect(try student.quantile(0) == -.infinity)
    #expect(try student.quantile(0.5) == 0)
    #expect(try StandardNormal.quantile(1) == .infinity)
    #expect(try ChiSquareDistribution(degreesOfFreedom: 2).quantile(1) == .infinity)
    #expect(throws: StatisticsError.self) { try student.quantile(1.5) }
    #expect(throws: StatisticsError.self) { try StandardNormal.quantile(.nan) }
    #expect(throws: StatisticsError.self) { try StudentDistribution(degreesOfFreedom: 0) }
    #expect(throws: StatisticsError.self) { try ChiSquareDistribution(degreesOfFreedom: .nan) }
    #expect(throws: StatisticsError.self) { try BinomialDistribution(trials: -1, probability: 0.5) }
    #expect(throws: StatisticsError.self) { try BinomialDistribution(trials: 3, probability: 1.1) }
  }
}
