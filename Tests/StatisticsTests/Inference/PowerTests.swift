import Foundation
import Statistics
import Testing

@Suite("What a run can show")
struct PowerTests {
  @Test("the smallest mean difference is that of the noncentral t distribution")
  func golden() throws {
    for row in try StatisticsGolden.load().power.mean {
      let (count, alpha, power) = (Int(row[0]), row[1], row[2])
      let smallest = try MeanDetectability.smallestDifference(
        deviation: 1, units: count, alpha: alpha, power: power)
      expectClose(smallest, row[3], within: 1e-9, "\(row)")
    }
  }

  @Test("the power of exact McNemar is that of full enumeration")
  func goldenMcNemar() throws {
    for row in try StatisticsGolden.load().power.exactMcNemar {
      let plan = try AccuracyDetectability(items: Int(row[0]), discordance: row[1], alpha: row[3])
      // Both leave out numbers of discordant items with a chance near 1e-14.
      expectClose(try plan.power(difference: row[2]), row[4], within: 1e-10, "\(row)")
    }
  }

  @Test("1,172 items with 5 % discordance show 1.8 points at 80 % power")
  func arcChallenge() throws {
    let plan = try AccuracyDetectability(items: 1172, discordance: 0.05)
    let approximate = try #require(try plan.approximateSmallestDifference())
    #expect(abs(approximate - 0.018) < 0.0005, "\(approximate)")
    let exact = try #require(try plan.smallestDifference())
    #expect(exact > approximate && exact < 0.0205, "\(exact)")
    expectClose(try plan.power(difference: exact), 0.8, within: 1e-9)
  }

  @Test("without a difference, power is the false alarm rate; it grows with the difference")
  func falseAlarms() throws {
    for freedom in [1.0, 2, 4, 30, 10_000] {
      let test = try MeanDetectability(degreesOfFreedom: freedom, alpha: 0.05)
      expectClose(test.power(noncentrality: 0), 0.05, within: 1e-10, "\(freedom)")
      var last = 0.0
      for size in stride(from: 0.0, through: 20, by: 0.5) {
        let power = test.power(noncentrality: size)
        // Near 1 only the rounding of some thousand terms is left.
        #expect(power >= last - 1e-12 && power <= 1)
        #expect(power == test.power(noncentrality: -size))
        last = power
      }
    }
    let plan = try AccuracyDetectability(items: 300, discordance: 0.1)
    #expect(try plan.power(difference: 0) <= 0.05)
    #expect(try plan.power(difference: 0.03) < plan.power(difference: 0.04))
  }

  @Test("the smallest noncentrality has the power asked for, for tiny samples and levels too")
  func roundTrip() throws {
    for (freedom, alpha) in [(1.0, 0.001), (1, 1e-200), (2, 0.05), (9, 1e-6), (500, 0.2)] {
      let test = try MeanDetectability(degreesOfFreedom: freedom, alpha: alpha)
      for power in [0.5, 0.8, 0.99] {
        let size = try test.smallestNoncentrality(power: power)
        expectClose(test.power(noncentrality: size), power, within: 1e-10)
      }
    }
  }

  @Test("the power does not jump where the integral gives way to its expansion")
  func largeNoncentrality() throws {
    for (freedom, alpha) in [(1.0, 0.001), (2, 1e-5), (3, 1e-7)] {
      let test = try MeanDetectability(degreesOfFreedom: freedom, alpha: alpha)
      let (below, above) = (test.power(noncentrality: 500), test.power(noncentrality: 500.0001))
      // The slope is below 1/500 per unit.
      #expect(above > below && above - below < 2e-7, "\(below) \(above)")
      let middle = test.power(noncentrality: 500.00005)
      expectClose(middle - below, above - middle, within: 1e-2)
    }
  }

  @Test("many units approach z(1 − α/2) + z(power)")
  func normalLimit() throws {
    let test = try MeanDetectability(degreesOfFreedom: 1e7)
    let wanted = try StandardNormal.quantile(0.975) + StandardNormal.quantile(0.8)
    // Terms of order 1/ν, and the far tail that the normal formula leaves out.
    expectClose(try test.smallestNoncentrality(power: 0.8), wanted, within: 1e-5)
  }

  @Test("a simulated t test rejects as often as computed")
  func simulation() throws {
    var random = SeededGenerator(seed: 12)
    let smallest = try MeanDetectability.smallestDifference(deviation: 1, units: 5)
    var found = 0
    for _ in 0..<2000 {
      let values = try (0..<5).map { _ in
        let p = (Double(random.below(1 << 40)) + 0.5) / Double(1 << 40)
        return try smallest + StandardNormal.quantile(p)
      }
      if let p = try MeanEstimate(values).pValue(), p < 0.05 { found += 1 }
    }
    // Five standard deviations: 5 √(2000 · 0.8 · 0.2) = 90.
    #expect(abs(found - 1600) < 90, "\(found)")
  }

  @Test("after a run, the smallest difference follows from the error alone")
  func afterRun() throws {
    let values = [1.0, 3, 2, 5, 4, 4]
    let shifted = values.map { $0 + 100 }
    let here = try MeanDetectability.smallestDifference(after: MeanEstimate(values))
    let there = try MeanDetectability.smallestDifference(after: MeanEstimate(shifted))
    expectClose(here, there, within: 1e-12)
    let deviation = try #require(SampleSummary(values)?.standardDeviation)
    expectClose(
      here, try MeanDetectability.smallestDifference(deviation: deviation, units: 6),
      within: 1e-12)
  }

  @Test("too few discordant items show nothing; bad input is refused")
  func edges() throws {
    #expect(try AccuracyDetectability(items: 5, discordance: 1).smallestDifference() == nil)
    let six = try AccuracyDetectability(items: 6, discordance: 1)
    #expect(try six.power(difference: 1) == 1)
    #expect(throws: StatisticsError.self) { try AccuracyDetectability(items: 0, discordance: 0.1) }
    #expect(throws: StatisticsError.self) { try AccuracyDetectability(items: 9, discordance: 0) }
    #expect(throws: StatisticsError.self) { try six.power(difference: 1.5) }
    #expect(throws: StatisticsError.self) { try six.power(difference: .nan) }
    #expect(throws: StatisticsError.self) { try six.smallestDifference(power: 1) }
    #expect(throws: StatisticsError.self) {
      try MeanDetectability.smallestDifference(deviation: 0, units: 5)
    }
    #expect(throws: StatisticsError.self) { try MeanDetectability(degreesOfFreedom: 0.5) }
    #expect(throws: StatisticsError.self) {
      try MeanDetectability.smallestDifference(deviation: 1, units: 1)
    }
    #expect(throws: StatisticsError.self) {
      try MeanDetectability.smallestDifference(deviation: 1, units: 5, alpha: 0.05, power: 0.05)
    }
  }
}
