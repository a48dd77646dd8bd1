import Foundation
import Statistics
import Testing

@Suite("Means, pooled means and clusters")
struct PairedMeanTests {
  @Test("errors, p-values and intervals are those of SciPy and statsmodels")
  func golden() throws {
    let golden = try StatisticsGolden.load().paired
    let clusters = Clusters(golden.labels)
    let plain = try MeanEstimate(candidate: golden.candidate, baseline: golden.baseline)
    expectClose(plain.mean, golden.mean, within: 1e-12)
    expectClose(plain.standardError, golden.plainError, within: 1e-12)
    expectClose(plain.pValue(), golden.plainP, within: 1e-10)
    let interval = try plain.interval(level: 0.9)
    expectClose(interval.lower, golden.plainInterval90[0], within: 1e-11)
    expectClose(interval.upper, golden.plainInterval90[1], within: 1e-11)
    let grouped = try MeanEstimate(
      candidate: golden.candidate, baseline: golden.baseline, clusters: clusters)
    expectClose(grouped.standardError, golden.clusteredError, within: 1e-11)
    expectClose(grouped.pValue(), golden.clusteredP, within: 1e-10)
    #expect(try grouped.interval().method == .clusteredStudentT)
    let pooled = try MeanEstimate(
      candidate: golden.candidate, baseline: golden.baseline, weights: golden.weights,
      clusters: clusters)
    expectClose(pooled.mean, golden.pooled, within: 1e-11)
    expectClose(pooled.standardError, golden.pooledError, within: 1e-10)
  }

  @Test("the equivalence test is that of statsmodels")
  func equivalence() throws {
    let golden = try StatisticsGolden.load().paired
    let estimate = try MeanEstimate(candidate: golden.candidate, baseline: golden.baseline)
    let test = try EquivalenceTest(estimate, within: -golden.margin...golden.margin)
    expectClose(test.pValue, golden.equivalenceP, within: 1e-10)
    expectClose(test.lowerP, golden.equivalenceLowerP, within: 1e-10)
    expectClose(test.upperP, golden.equivalenceUpperP, within: 1e-10)
    for margin in stride(from: 1.0, through: 40, by: 0.5) {
      let test = try EquivalenceTest(estimate, within: -margin...margin)
      let interval = try estimate.interval(level: 0.9)
      #expect((test.pValue < 0.05) == (interval.lower > -margin && interval.upper < margin))
    }
    #expect(
      try EquivalenceTest(estimate, margin: golden.margin)
        == EquivalenceTest(estimate, within: -golden.margin...golden.margin))
    #expect(throws: StatisticsError.self) {
      try EquivalenceTest(estimate, within: -.infinity...1)
    }
    #expect(throws: StatisticsError.self) { try EquivalenceTest(estimate, margin: .nan) }
    #expect(throws: StatisticsError.self) { try EquivalenceTest(estimate, margin: -1) }
  }

  @Test("of a mean over strata only what differs within them counts: Σ (n_h/n)² s_h²/n_h")
  func strata() throws {
    let values = [3.0, 4, 8, 101, 103, 104, 111, 50, 52]
    let strata = ["a", "a", "a", "b", "b", "b", "b", "c", "c"]
    let estimate = try MeanEstimate(
      sumOf: values, over: [Double](repeating: 1, count: 9), strata: Clusters(strata))
    var expected = 0.0
    for name in ["a", "b", "c"] {
      let own = zip(values, strata).filter { $0.1 == name }.map(\.0)
      let deviation = try #require(SampleSummary(own)?.standardDeviation)
      expected += Double(own.count) / 81 * deviation * deviation
    }
    expectClose(estimate.standardError, expected.squareRoot(), within: 1e-14)
    expectClose(estimate.mean, try MeanEstimate(values).mean, within: 1e-14)
    #expect(estimate.degreesOfFreedom == 6)
    // A stratum of one item tells nothing: all items are one sample then.
    let alone = try MeanEstimate(
      sumOf: values, over: [Double](repeating: 1, count: 9),
      strata: Clusters(strata.dropLast() + ["d"]))
    #expect(alone == (try MeanEstimate(values)))
  }

  @Test("clusters of one item are no clusters; names and order of items do not matter")
  func invariance() throws {
    var random = SeededGenerator(seed: 3)
    let values = (0..<30).map { _ in Double(random.below(1000)) / 7 }
    let labels = (0..<30).map { _ in random.below(6) }
    let plain = try MeanEstimate(values)
    let alone = try MeanEstimate(values, clusters: Clusters(Array(0..<30)))
    #expect(plain == alone && !alone.isClustered)
    let grouped = try MeanEstimate(values, clusters: Clusters(labels))
    let renamed = try MeanEstimate(values, clusters: Clusters(labels.map { "document \($0)" }))
    #expect(grouped == renamed)
    var order = Array(0..<30)
    random.shuffle(&order)
    let shuffled = try MeanEstimate(
      order.map { values[$0] }, clusters: Clusters(order.map { labels[$0] }))
    // Thirty terms in another order.
    expectClose(shuffled.standardError, grouped.standardError, within: 1e-12)
    #expect(shuffled.clusterCount == grouped.clusterCount)
  }

  @Test("repeating every item leaves the clustered error and shrinks the naive one")
  func repeatedItems() throws {
    let values = [1.0, 4, 2, 8, 5, 7]
    let doubled = values + values
    let labels = Array(0..<6) + Array(0..<6)
    let single = try MeanEstimate(values).standardError
    expectClose(
      try MeanEstimate(doubled, clusters: Clusters(labels)).standardError, single, within: 1e-14)
    #expect(try MeanEstimate(doubled).standardError < single / 1.4)
  }

  @Test("equal values have no spread and no p-value, rounding included")
  func constants() throws {
    let estimate = try MeanEstimate([0.1, 0.1, 0.1])
    #expect(estimate.mean == 0.1)
    #expect(estimate.standardError == 0)
    #expect(estimate.pValue() == nil)
    #expect(try EquivalenceTest(estimate, within: 0...0.2).pValue == 0)
    #expect(try EquivalenceTest(estimate, within: -0.1...0.1).pValue == 1)
  }

  @Test("levels next to 1 still give finite intervals")
  func extremeLevels() throws {
    let level = 1.0.nextDown
    let mean = try MeanEstimate([1, 2, 4, 7]).interval(level: level)
    let share = try ConfidenceInterval.wilson(successes: 3, trials: 9, level: level)
    let score = try PairedOutcomes(count: 9, gained: 2, lost: 1).interval(level: level)
    for interval in [mean, share, score] {
      #expect(interval.lower.isFinite && interval.upper.isFinite)
      #expect(interval.lower < interval.upper)
    }
  }

  @Test("bad input is refused in words")
  func refusals() throws {
    #expect(throws: StatisticsError.tooFew("values", count: 1, needed: 2)) {
      try MeanEstimate([1])
    }
    #expect(throws: StatisticsError.notFinite("values", index: 1)) { try MeanEstimate([1, .nan]) }
    #expect(throws: StatisticsError.tooFew("clusters", count: 1, needed: 2)) {
      try MeanEstimate([1, 2], clusters: Clusters(["a", "a"]))
    }
    #expect(throws: StatisticsError.lengthsDiffer("values", 2, "cluster names", 3)) {
      try MeanEstimate([1, 2], clusters: Clusters([1, 2, 3]))
    }
    #expect(throws: StatisticsError.self) { try MeanEstimate(sumOf: [1, 2], over: [1, 0]) }
    #expect(throws: StatisticsError.self) { try MeanEstimate(candidate: [1, 2], baseline: [1]) }
    #expect(throws: StatisticsError.self) { try MeanEstimate([1, 2]).interval(level: 0) }
    #expect(
      StatisticsError.tooFew("clusters", count: 1, needed: 2).description
        == "At least 2 clusters are needed, got 1.")
  }
}
