import Foundation
import Statistics
import Testing

@Suite("Paired bootstrap")
struct PairedBootstrapTests {
  @Test(
    "on the same resamples, all intervals are SciPy's",
    arguments: PairedBootstrap.Statistic.allCases)
  func golden(statistic: PairedBootstrap.Statistic) throws {
    let paired = try StatisticsGolden.load().paired
    let golden = try #require(paired.bootstrap[statistic.rawValue])
    var random = SeededGenerator(seed: 31)
    // The reference numbers clusters in ascending order; sums over them are the same.
    let order = paired.labels.indices.sorted { (paired.labels[$0], $0) < (paired.labels[$1], $1) }
    let bootstrap = try PairedBootstrap(
      candidate: order.map { paired.candidate[$0] },
      baseline: order.map { paired.baseline[$0] },
      weights: order.map { paired.weights[$0] },
      clusters: Clusters(order.map { paired.labels[$0] }), statistic: statistic, count: 999,
      using: &random)
    expectClose(bootstrap.estimate, golden.estimate, within: 1e-11)
    expectClose(bootstrap.standardError, golden.standardError, within: 1e-10)
    let percentile = try bootstrap.percentileInterval()
    expectClose(percentile.lower, golden.percentile[0], within: 1e-10)
    expectClose(percentile.upper, golden.percentile[1], within: 1e-10)
    let accelerated = try #require(try bootstrap.acceleratedInterval())
    expectClose(accelerated.lower, golden.bca[0], within: 1e-9)
    expectClose(accelerated.upper, golden.bca[1], within: 1e-9)
  }

  private func normal(_ random: inout SeededGenerator) throws -> Double {
    try StandardNormal.quantile((Double(random.below(1 << 40)) + 0.5) / Double(1 << 40))
  }

  @Test("intervals by document cover a true difference; intervals by window do not")
  func coverage() throws {
    var random = SeededGenerator(seed: 8)
    let names = (0..<120).map { $0 / 4 }
    var (byDocument, accelerated, byWindow) = (0, 0, 0)
    for _ in 0..<300 {
      let effects = try (0..<30).map { _ in try 0.5 + normal(&random) }
      let baseline = try names.map { _ in try 3 + normal(&random) }
      let candidate = try names.indices.map {
        try baseline[$0] + effects[names[$0]] + 0.3 * normal(&random)
      }
      let documents = try PairedBootstrap(
        candidate: candidate, baseline: baseline, clusters: Clusters(names), count: 400,
        using: &random)
      let windows = try PairedBootstrap(
        candidate: candidate, baseline: baseline, count: 400, using: &random)
      if try documents.percentileInterval().contains(0.5) { byDocument += 1 }
      if try documents.acceleratedInterval()?.contains(0.5) == true { accelerated += 1 }
      if try windows.percentileInterval().contains(0.5) { byWindow += 1 }
    }
    // With 30 clusters the percentile interval covers about 93 %; 88 % is five standard deviations
    // below 95 %. Windows of one document are nearly copies: about 70 %.
    #expect(byDocument > 264 && byDocument <= 297, "\(byDocument)")
    #expect(accelerated > 264 && accelerated <= 297, "\(accelerated)")
    #expect(byWindow < 240, "\(byWindow)")
  }

  @Test("the same seed gives the same resamples; another seed others")
  func seeds() throws {
    let a = [1.0, 5, 2, 8, 3]
    let b = [2.0, 4, 2, 5, 1]
    func resamples(_ seed: UInt64) throws -> [Double] {
      var random = SeededGenerator(seed: seed)
      return try PairedBootstrap(candidate: a, baseline: b, count: 200, using: &random).resamples
    }
    #expect(try resamples(1) == resamples(1))
    #expect(try resamples(1) != resamples(2))
  }

  @Test("the bootstrap error of a mean is the closed one but for √((n − 1)/n) and chance")
  func closedForm() throws {
    var random = SeededGenerator(seed: 2)
    let b = (0..<80).map { _ in Double(random.below(100)) }
    let a = b.map { $0 + Double(random.below(20)) }
    let bootstrap = try PairedBootstrap(candidate: a, baseline: b, count: 4000, using: &random)
    let closed = try MeanEstimate(candidate: a, baseline: b).standardError
    // An error from 4000 resamples is known to 1/√8000 = 1.1 %; five times that.
    expectClose(bootstrap.standardError, closed * (79.0 / 80).squareRoot(), within: 0.056)
    #expect(bootstrap.pValue(against: 0) <= 2.0 / 4001)
    #expect(bootstrap.pValue(against: bootstrap.estimate) > 0.9)
  }

  @Test("exp of the interval of a difference is the interval of the perplexity ratio")
  func perplexityRatio() throws {
    let a = [20.0, 31, 24, 18, 40]
    let b = [19.0, 30, 22, 18, 37]
    let tokens = [10.0, 15, 11, 9, 19]
    func interval(_ statistic: PairedBootstrap.Statistic) throws -> ConfidenceInterval {
      var random = SeededGenerator(seed: 4)
      return try PairedBootstrap(
        candidate: a, baseline: b, weights: tokens, statistic: statistic, count: 500,
        using: &random
      ).percentileInterval()
    }
    let ratio = try interval(.perplexityRatio)
    let difference = try interval(.difference).mapped(byIncreasing: exp)
    // Interpolation between neighbours happens before exp here and after it there.
    expectClose(ratio.lower, difference.lower, within: 1e-4)
    expectClose(ratio.upper, difference.upper, within: 1e-4)
  }

  @Test("what does not vary has no accelerated interval; bad input is refused")
  func edges() throws {
    var random = SeededGenerator(seed: 4)
    let flat = try PairedBootstrap(
      candidate: [2, 3, 4], baseline: [1, 2, 3], count: 100, using: &random)
    #expect(try flat.acceleratedInterval() == nil)
    #expect(try flat.percentileInterval().lower == 1)
    #expect(flat.standardError == 0)
    #expect(throws: StatisticsError.undefinedResample("ratio")) {
      try PairedBootstrap(
        candidate: [1, 2], baseline: [0, 0], statistic: .ratio, count: 100, using: &random)
    }
    #expect(throws: StatisticsError.self) {
      try PairedBootstrap(candidate: [1], baseline: [1], count: 100, using: &random)
    }
    #expect(throws: StatisticsError.self) {
      try PairedBootstrap(candidate: [1, 2], baseline: [1, 3], count: 3, using: &random)
    }
    #expect(throws: StatisticsError.self) {
      try PairedBootstrap(
        candidate: [1, 2], baseline: [1, .infinity], count: 100, using: &random)
    }
    #expect(throws: StatisticsError.self) {
      try PairedBootstrap(
        candidate: [1, 2], baseline: [1, 3], weights: [1, -1], count: 100, using: &random)
    }
  }

  @Test("strata are resampled apart: unlike texts without a spread of their own have no interval")
  func strata() throws {
    var random = SeededGenerator(seed: 6)
    let strata = Clusters("aaaaabbbbbbb".map { String($0) })
    let shifts = strata.membership.map { $0 == 0 ? 0.5 : -0.25 }
    func bootstrap(_ shifts: [Double], _ strata: Clusters?) throws -> PairedBootstrap {
      try PairedBootstrap(
        candidate: shifts.map { 3 + $0 }, baseline: shifts.map { _ in 3 }, strata: strata,
        count: 2000, using: &random)
    }
    let apart = try bootstrap(shifts, strata)
    // (5 · 0.5 - 7 · 0.25) / 12, in sums of binary fractions.
    #expect(apart.estimate == 0.0625)
    #expect(apart.resamples.allSatisfy { $0 == 0.0625 })
    #expect(try bootstrap(shifts, nil).standardError > 0.05)
    let varied = try shifts.map { try $0 + normal(&random) }
    let within = try MeanEstimate(
      candidate: varied, baseline: varied.map { _ in 0 }, strata: strata)
    let resampled = try bootstrap(varied, strata)
    // The bootstrap divides by n, not n - 1: √(4/5) to √(6/7), and 2000 resamples are good to 5 %.
    let ratio = resampled.standardError / within.standardError
    #expect(ratio > 0.84 && ratio < 0.98, "\(ratio)")
    #expect(try resampled.acceleratedInterval()?.contains(resampled.estimate) == true)
    let lone = Clusters(["c"] + Array("aaaabbbbbbb").map { String($0) })
    #expect(try bootstrap(shifts, lone).standardError > 0.05, "a text of one window: left aside")
  }
}
