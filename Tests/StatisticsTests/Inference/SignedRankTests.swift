import Statistics
import Testing

@Suite("Signed ranks")
struct SignedRankTests {
  @Test("sums and p-values are SciPy's: exact, tied and asymptotic")
  func golden() throws {
    for golden in try StatisticsGolden.load().signedRanks {
      let zeros = [Double](repeating: 0, count: golden.differences.count)
      let test = try SignedRankTest(candidate: golden.differences, baseline: zeros)
      #expect(test.positiveRankSum == golden.positive, "\(golden.name)")
      expectClose(test.pValue, golden.p, within: 1e-11, golden.name)
    }
  }

  @Test("p is that of all sign patterns written out", arguments: 2...9)
  func enumeration(count: Int) throws {
    var random = SeededGenerator(seed: UInt64(count))
    let differences = (0..<count).map { _ in Double(random.below(5) + 1) }
    let ranks = averageRanks(differences)
    let half = ranks.reduce(0, +) / 2
    let signs = 0b1011
    let observed = differences.indices.map { signs >> $0 & 1 == 1 ? 1.0 : -1 }
    let zeros = [Double](repeating: 0, count: count)
    let test = try SignedRankTest(
      candidate: zip(observed, differences).map { $0 * $1 }, baseline: zeros)
    let distance = abs(test.positiveRankSum - half)
    let extreme = (0..<(1 << count)).count { pattern in
      let sum = ranks.indices.reduce(0) { pattern >> $1 & 1 == 1 ? $0 + ranks[$1] : $0 }
      return abs(sum - half) >= distance
    }
    let share = min(1, Double(extreme) / Double(1 << count))
    // At the centre both tails hold the same patterns.
    expectClose(test.pValue, distance == 0 ? 1 : share, within: 1e-14)
  }

  @Test("swapping the sides keeps p; no difference gives 1; bad input is refused")
  func edges() throws {
    let (a, b) = ([3.0, 5, 1, 8, 2], [2.0, 5, 4, 1, 9])
    let here = try SignedRankTest(candidate: a, baseline: b)
    let there = try SignedRankTest(candidate: b, baseline: a)
    #expect(here.pValue == there.pValue && here.count == 4)
    #expect(here.positiveRankSum + there.positiveRankSum == 10)
    #expect(try SignedRankTest(candidate: a, baseline: a).pValue == 1)
    #expect(throws: StatisticsError.self) { try SignedRankTest(candidate: [1], baseline: [2]) }
    #expect(throws: StatisticsError.self) { try SignedRankTest(candidate: a, baseline: [1, 2]) }
    #expect(throws: StatisticsError.self) {
      try SignedRankTest(candidate: [1, .nan], baseline: [1, 2])
    }
  }
}
