import Statistics
import Testing

@Suite("Intervals of a proportion and families of tests")
struct IntervalTests {
  @Test("Wilson's interval is that of statsmodels")
  func wilson() throws {
    for row in try StatisticsGolden.load().wilson {
      let interval = try ConfidenceInterval.wilson(
        successes: Int(row[0]), trials: Int(row[1]), level: row[2])
      #expect(interval.method == .wilson)
      // Ends at 0 are exact here and a rounding away from it there.
      #expect(abs(interval.lower - row[3]) < 1e-14)
      #expect(abs(interval.upper - row[4]) < 1e-14)
    }
  }

  @Test("Wilson's interval holds the share and mirrors with the successes")
  func wilsonProperties() throws {
    for successes in 0...50 {
      let here = try ConfidenceInterval.wilson(successes: successes, trials: 50)
      let mirrored = try ConfidenceInterval.wilson(successes: 50 - successes, trials: 50)
      #expect(here.contains(Double(successes) / 50))
      // Some roundings of numbers below 1.
      #expect(abs(here.lower + mirrored.upper - 1) < 1e-14)
    }
    #expect(throws: StatisticsError.self) {
      try ConfidenceInterval.wilson(successes: 4, trials: 3)
    }
    #expect(throws: StatisticsError.self) {
      try ConfidenceInterval.wilson(successes: 0, trials: 0)
    }
    #expect(throws: StatisticsError.self) {
      try ConfidenceInterval.wilson(successes: 1, trials: 2, level: .nan)
    }
  }

  @Test("adjusted p-values are those of statsmodels and SciPy")
  func multiplicity() throws {
    for family in try StatisticsGolden.load().multiplicity {
      let holm = try holmAdjusted(family.p)
      let discoveries = try benjaminiHochbergAdjusted(family.p)
      for index in family.p.indices {
        expectClose(holm[index], family.holm[index], within: 1e-14)
        expectClose(discoveries[index], family.benjaminiHochberg[index], within: 1e-14)
      }
    }
  }

  @Test("adjusting keeps the order, never lowers, and does not depend on the order given")
  func multiplicityProperties() throws {
    var random = SeededGenerator(seed: 9)
    for count in 0..<40 {
      var p = (0..<count).map { _ in Double(random.below(100)) / 100 }
      let holm = try holmAdjusted(p)
      let discoveries = try benjaminiHochbergAdjusted(p)
      for i in p.indices {
        #expect(p[i] <= discoveries[i] && discoveries[i] <= holm[i] && holm[i] <= 1)
        #expect(holm[i] <= min(1, Double(count) * p[i]))
        for j in p.indices where p[i] <= p[j] { #expect(holm[i] <= holm[j]) }
      }
      random.shuffle(&p)
      #expect(try holmAdjusted(p).sorted() == holm.sorted())
    }
    #expect(throws: StatisticsError.self) { try holmAdjusted([0.1, .nan]) }
    #expect(throws: StatisticsError.self) { try benjaminiHochbergAdjusted([1.1]) }
  }
}
