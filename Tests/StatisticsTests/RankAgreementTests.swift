import Statistics
import Testing

@Suite("Agreement of orders")
struct RankAgreementTests {
  /// Sums of two uniform numbers of which one is shared: correlated by one half.
  private func halfShared(_ count: Int) -> (a: [Double], b: [Double]) {
    var random = SeededGenerator(seed: 5)
    func uniform() -> Double { Double(random.below(1_000_000)) }
    let shared = (0..<count).map { _ in uniform() }
    return (shared.map { $0 + uniform() }, shared.map { $0 + uniform() })
  }

  @Test("the top of a quantity is all of its own top, and none of its opposite's")
  func extremes() {
    let values = [3.0, 1, 4, 1.5, 9, 2, 6, 5]
    #expect(topSetOverlap(values, values, count: 3) == 1)
    #expect(topSetOverlap(values, values.map { -$0 }, count: 4) == 0)
    #expect(topSetOverlap(values, values.map { -$0 }, count: 8) == 1)
    // The tops are {9, 6, 5} and {4, 9, 6}.
    #expect(topSetOverlap(values, [3, 1, 8, 1.5, 9, 2, 6, 5], count: 3) == 2.0 / 3)
  }

  @Test("of equal values the earlier one is larger")
  func ties() {
    #expect(topSetOverlap([1, 1, 1, 1], [4, 3, 2, 1], count: 2) == 1)
    #expect(topSetOverlap([1, 1, 1, 1], [1, 2, 3, 4], count: 2) == 0)
  }

  @Test("values are those of the measures themselves, and lie in their intervals")
  func values() throws {
    let (a, b) = halfShared(60)
    var random = SeededGenerator(seed: 0)
    let agreement = try RankAgreement(a, b, using: &random)
    let spearman = try #require(agreement.spearman)
    #expect(spearman.value == spearmanCorrelation(a, b))
    #expect(agreement.kendall?.value == kendallTau(a, b))
    #expect(agreement.topCount == 15)
    #expect(agreement.topOverlap.value == topSetOverlap(a, b, count: 15))
    #expect(try #require(spearman.interval).contains(spearman.value))
    #expect(try #require(agreement.topOverlap.interval).method == .percentileBootstrap)
    var again = SeededGenerator(seed: 0)
    #expect(try RankAgreement(a, b, using: &again) == agreement)
  }

  @Test("Spearman's interval is as wide as Fisher's transformation says")
  func width() throws {
    let (a, b) = halfShared(400)
    var random = SeededGenerator(seed: 1)
    let estimate = try #require(try RankAgreement(a, b, using: &random).spearman)
    let interval = try #require(estimate.interval)
    // Half width of tanh(atanh ρ ± 1.96 · √(1 + ρ²/2) / √(n - 3)), Bonett and Wright 2000.
    let rho = estimate.value
    let expected =
      1.96 * ((1 + rho * rho / 2) / 397).squareRoot() * (1 - rho * rho)
    // A thousand resamples leave some per cent of noise in a percentile.
    #expect(abs((interval.upper - interval.lower) / 2 / expected - 1) < 0.15)
  }

  @Test("a constant has no correlation, but tops; bad numbers are refused")
  func degenerate() throws {
    var random = SeededGenerator(seed: 0)
    let constant = try RankAgreement([1, 1, 1], [1, 2, 3], using: &random)
    #expect(constant.spearman == nil && constant.kendall == nil)
    #expect(throws: StatisticsError.self) {
      try RankAgreement([1, .nan], [1, 2], using: &random)
    }
    #expect(throws: StatisticsError.self) {
      try RankAgreement([1, 2], [1, 2], topShare: 0, using: &random)
    }
    #expect(throws: StatisticsError.self) { try RankAgreement([1, 2], [1], using: &random) }
  }
}
