import Foundation
import Statistics
import Testing

@Suite("Paired right and wrong answers")
struct PairedBinaryTests {
  @Test("McNemar, mid-p, Tango's score and interval are those of SciPy")
  func golden() throws {
    for golden in try StatisticsGolden.load().mcnemar {
      let outcomes = try PairedOutcomes(
        count: golden.count, gained: golden.gained, lost: golden.lost)
      let note = "\(golden.gained) gained, \(golden.lost) lost of \(golden.count)"
      let test = McNemarTest(outcomes)
      expectClose(test.exactP, golden.exact, within: 1e-12, note)
      expectClose(test.midP, golden.midP, within: 1e-12, note)
      expectClose(try outcomes.score(against: 0.02), golden.score, within: 1e-8, note)
      let interval = try outcomes.interval()
      // The reference finds its nuisance and its ends by root finding.
      #expect(abs(interval.lower - golden.interval[0]) < 1e-9, "\(note): \(interval)")
      #expect(abs(interval.upper - golden.interval[1]) < 1e-9, "\(note): \(interval)")
    }
  }

  @Test("six discordant items in one direction are needed for p < 0.05")
  func sixItems() throws {
    for discordant in 1...20 {
      let outcomes = try PairedOutcomes(count: 100, gained: 0, lost: discordant)
      let expected = exp2(1 - Double(discordant))
      expectClose(McNemarTest(outcomes).exactP, expected, within: 1e-13)
      expectClose(McNemarTest(outcomes).midP, expected / 2, within: 1e-13)
    }
    #expect(McNemarTest(try PairedOutcomes(count: 9, gained: 0, lost: 5)).exactP > 0.05)
    #expect(McNemarTest(try PairedOutcomes(count: 9, gained: 0, lost: 6)).exactP < 0.05)
  }

  @Test("swapping the models turns the sign and keeps the p-values")
  func symmetry() throws {
    for (gained, lost) in [(0, 0), (3, 8), (20, 5), (0, 40), (17, 23)] {
      let here = try PairedOutcomes(count: 40, gained: gained, lost: lost)
      let there = try PairedOutcomes(count: 40, gained: lost, lost: gained)
      #expect(McNemarTest(here) == McNemarTest(there))
      #expect(here.difference == -there.difference)
      let (a, b) = (try here.interval(), try there.interval())
      // The ends come from a root finder that starts elsewhere.
      #expect(abs(a.lower + b.upper) < 1e-9 && abs(a.upper + b.lower) < 1e-9, "\(a) \(b)")
      #expect(a.contains(here.difference))
    }
  }

  @Test("items that both get right or wrong do not move the p-value")
  func concordantItems() throws {
    let few = try PairedOutcomes(count: 20, gained: 4, lost: 11)
    let many = try PairedOutcomes(count: 20_000, gained: 4, lost: 11)
    #expect(McNemarTest(few) == McNemarTest(many))
  }

  @Test("equivalence by Tango's score is the interval of level 1 − 2α within the margins")
  func equivalence() throws {
    for (gained, lost, count) in [(50, 60, 10_042), (3, 9, 164), (0, 0, 500), (5, 5, 2000)] {
      let outcomes = try PairedOutcomes(count: count, gained: gained, lost: lost)
      for margin in [0.002, 0.005, 0.01, 0.05] {
        let test = try EquivalenceTest(outcomes, within: -margin...margin)
        let interval = try outcomes.interval(level: 0.9)
        let inside = interval.lower > -margin && interval.upper < margin
        #expect((test.pValue < 0.05) == inside)
      }
    }
  }

  @Test("the score interval covers a true difference about as often as it says")
  func coverage() throws {
    var random = SeededGenerator(seed: 5)
    var covered = 0
    for _ in 0..<1000 {
      var (gained, lost) = (0, 0)
      for _ in 0..<300 {
        let draw = random.below(100)
        if draw < 4 { gained += 1 } else if draw < 11 { lost += 1 }
      }
      let outcomes = try PairedOutcomes(count: 300, gained: gained, lost: lost)
      if try outcomes.interval().contains(-0.03) { covered += 1 }
    }
    // Five standard deviations of a binomial count: 5 √(1000 · 0.95 · 0.05) = 34.
    #expect(abs(covered - 950) < 34, "\(covered)")
  }

  @Test("answers are counted by side")
  func counting() throws {
    let outcomes = try PairedOutcomes(
      candidate: [true, true, false, false, true], baseline: [true, false, true, false, false])
    #expect(outcomes == (try PairedOutcomes(count: 5, gained: 2, lost: 1)))
    #expect(outcomes.difference == 0.2)
    #expect(outcomes.discordant == 3)
  }

  @Test("bad input is refused in words")
  func refusals() throws {
    #expect(throws: StatisticsError.tooFew("items", count: 0, needed: 1)) {
      try PairedOutcomes(candidate: [], baseline: [])
    }
    #expect(throws: StatisticsError.lengthsDiffer("candidate items", 1, "baseline items", 2)) {
      try PairedOutcomes(candidate: [true], baseline: [true, false])
    }
    #expect(throws: StatisticsError.self) { try PairedOutcomes(count: 3, gained: 2, lost: 2) }
    #expect(throws: StatisticsError.self) { try PairedOutcomes(count: 3, gained: -1, lost: 2) }
    #expect(throws: StatisticsError.self) { try PairedOutcomes(count: .max, gained: 1, lost: -1) }
    let outcomes = try PairedOutcomes(count: 3, gained: 1, lost: 1)
    #expect(throws: StatisticsError.self) { try outcomes.interval(level: 1) }
    #expect(throws: StatisticsError.self) { try outcomes.score(against: .nan) }
    #expect(throws: StatisticsError.self) { try EquivalenceTest(outcomes, within: 0...0) }
    #expect(throws: StatisticsError.self) { try EquivalenceTest(outcomes, within: -1...0.1) }
  }

  @Test("all items on one side still have an interval")
  func extremes() throws {
    for (gained, lost) in [(0, 7), (7, 0), (0, 0)] {
      let outcomes = try PairedOutcomes(count: 7, gained: gained, lost: lost)
      let interval = try outcomes.interval()
      #expect(interval.contains(outcomes.difference))
      #expect(interval.lower >= -1 && interval.upper <= 1)
      #expect(interval.upper - interval.lower > 0.2)
    }
  }
}
