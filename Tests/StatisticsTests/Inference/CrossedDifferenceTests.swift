import Foundation
import Testing

@testable import Statistics

@Suite("Differences over seeds and items")
struct CrossedDifferenceTests {
  /// Two uniform numbers make one normal one (Box and Muller).
  private static func normal(_ random: inout SeededGenerator) -> Double {
    let (u, v) = (
      Double.random(in: 1e-12..<1, using: &random), Double.random(in: 0..<1, using: &random)
    )
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }

  @Test("one run against one is the paired mean of items")
  func single() throws {
    let (candidate, baseline) = ([3.0, 1, 4, 1, 5, 9], [2.0, 7, 1, 8, 2, 8])
    let weights = [1.0, 2, 1, 3, 1, 1]
    let crossed = try CrossedDifference(
      candidate: [candidate], baseline: [baseline], weights: weights)
    let paired = try MeanEstimate(candidate: candidate, baseline: baseline, weights: weights)
    #expect(crossed.overItems == paired)
    #expect(crossed.asDesigned == paired.student)
    #expect(crossed.overBoth == nil)
  }

  @Test("over seeds alone it is the plain t of the runs' differences")
  func seeds() throws {
    let baseline = [[1.0, 2, 3], [2, 2, 2], [0, 1, 5]]
    let candidate = [[2.0, 2, 3], [2, 5, 2], [1, 1, 6]]
    let crossed = try CrossedDifference(
      candidate: candidate, baseline: baseline, factors: [.init("calibration", levels: 3)])
    let means = zip(candidate, baseline).map { pair in
      zip(pair.0, pair.1).reduce(0) { $0 + $1.0 - $1.1 } / 3
    }
    let plain = try MeanEstimate(means)
    let seeds = try #require(crossed.overReplicates)
    // One rounding of each sum of three.
    #expect(abs(seeds.mean - plain.mean) < 1e-15)
    #expect(abs(seeds.standardError - plain.standardError) < 1e-15)
    #expect(seeds.sources.map(\.degreesOfFreedom) == [2])
  }

  @Test("over both it is the mean square of seeds, with their t, and that of items less the noise")
  func both() throws {
    var random = SeededGenerator(seed: 3)
    let (runs, items) = (4, 9)
    let seedEffects = (0..<runs).map { _ in 2 * Self.normal(&random) }
    let itemEffects = (0..<items).map { _ in 3 * Self.normal(&random) }
    let table = seedEffects.map { seed in itemEffects.map { seed + $0 + Self.normal(&random) } }
    let zeros = table.map { $0.map { _ in 0.0 } }
    let crossed = try CrossedDifference(
      candidate: table, baseline: zeros, factors: [.init("calibration", levels: runs)])
    let mean = table.joined().reduce(0, +) / Double(runs * items)
    let rows = table.map { $0.reduce(0, +) / Double(items) }
    let columns = (0..<items).map { item in table.reduce(0) { $0 + $1[item] } / Double(runs) }
    let ofSeeds = Double(items) * rows.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3
    let ofItems = Double(runs) * columns.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 8
    var rest = 0.0
    for (row, values) in table.enumerated() {
      for (column, value) in values.enumerated() {
        let residual = value - rows[row] - columns[column] + mean
        rest += residual * residual / 24
      }
    }
    let variances = [ofSeeds, ofItems - rest].map { $0 / Double(runs * items) }
    let estimate = try #require(crossed.overBoth)
    for (source, variance) in zip(estimate.sources, variances) {
      #expect(abs(source.variance - variance) < 1e-12 * variance)
    }
    #expect(estimate.sources.map(\.degreesOfFreedom) == [3, 8])
    #expect(estimate.method == .crossedStudentT)
    // Two-sided 5 % points of Student's t with 3 and 8 degrees of freedom, to seven digits.
    let half =
      (3.182446 * 3.182446 * variances[0] + 2.306004 * 2.306004 * variances[1]).squareRoot()
    let interval = try estimate.interval()
    #expect(abs(interval.upper - interval.lower - 2 * half) < 1e-6 * half)
    // The p-value of the interval's end is one less its level.
    let p = try #require(estimate.pValue(against: interval.lower))
    #expect(abs(p - 0.05) < 1e-9)
  }

  @Test("windows of unlike length count by their tokens, documents as a whole")
  func weighted() throws {
    let weights = [10.0, 20, 30, 40]
    let candidate = [[11.0, 25, 33, 39], [12, 21, 35, 44]]
    let baseline = [[10.0, 22, 31, 41], [10, 22, 31, 41]]
    let crossed = try CrossedDifference(
      candidate: candidate, baseline: baseline, weights: weights,
      clusters: Clusters(["a", "a", "b", "c"]), factors: [.init("search", levels: 2)])
    // (4 + 8) / 2 nats over 100 tokens.
    #expect(abs(crossed.difference - 0.06) < 1e-15)
    #expect(crossed.overItems.clusterCount == 3)
    let variance = try #require(crossed.variance)
    #expect(abs(variance.grandMean - 0.06) < 1e-15)
    #expect(variance.factors.map(\.levels) == [2, 3])
  }

  @Test("equal methods have no error and no p-value")
  func equal() throws {
    let table = [[0.1, 0.7, 0.3], [0.2, 0.2, 0.9]]
    let crossed = try CrossedDifference(
      candidate: table, baseline: table, factors: [.init("search", levels: 2)])
    #expect(crossed.difference == 0)
    #expect(crossed.asDesigned.standardError == 0)
    #expect(crossed.asDesigned.pValue() == nil)
  }

  @Test("replicates that do not fill the factors are refused")
  func incomplete() {
    #expect(throws: StatisticsError.self) {
      try CrossedDifference(
        candidate: [[1, 2], [3, 4]], baseline: [[1, 2], [3, 4]],
        factors: [.init("search", levels: 3)])
    }
  }

  @Test(
    "without a difference it claims one at most as often as α, whatever varies",
    arguments: [
      (2, 0.0, 0.0), (2, 0.3, 0.0), (3, 0.15, 0.0), (3, 0.3, 0.3), (3, 0.0, 0.5), (5, 0.3, 0.2),
    ])
  func size(seeds: Int, seedDeviation: Double, itemDeviation: Double) throws {
    var random = SeededGenerator(seed: 11)
    let (trials, items) = (1500, 40)
    var claims = 0
    for _ in 0..<trials {
      let itemEffects = (0..<items).map { _ in itemDeviation * Self.normal(&random) }
      let table = (0..<seeds).map { _ in
        let seed = seedDeviation * Self.normal(&random)
        return itemEffects.map { seed + $0 + Self.normal(&random) }
      }
      let crossed = try CrossedDifference(
        candidate: table, baseline: table.map { $0.map { _ in 0 } },
        factors: [.init("search", levels: seeds)])
      if let p = crossed.asDesigned.pValue(), p <= 0.05 { claims += 1 }
    }
    // Three standard errors of a share of 5 % in 1500 trials are 1.7 points.
    #expect(Double(claims) / Double(trials) <= 0.067)
  }

  /// Two texts of unlike size, the second in documents of two windows.
  private static let texts = [Int](repeating: 0, count: 12) + [Int](repeating: 1, count: 20)
  private static let documents = texts.indices.map { $0 < 12 ? $0 : 12 + ($0 - 12) / 2 }

  @Test("with strata the error over items is that within them, replicates or not")
  func strata() throws {
    var random = SeededGenerator(seed: 5)
    let items = Self.texts.map { Self.normal(&random) + 3 * Double($0) }
    let weights = Self.texts.map { 1 + Double($0) }
    let zeros = items.map { _ in 0.0 }
    let (clusters, strata) = (Clusters(Self.documents), Clusters(Self.texts))
    let within = try MeanEstimate(
      sumOf: items, over: weights, clusters: clusters, strata: strata)
    let single = try CrossedDifference(
      candidate: [items], baseline: [zeros], weights: weights, clusters: clusters, strata: strata)
    #expect(single.asDesigned == within.student)
    // Equal replicates: nothing but items varies.
    let repeated = try CrossedDifference(
      candidate: [items, items, items], baseline: [zeros, zeros, zeros], weights: weights,
      clusters: clusters, strata: strata, factors: [.init("calibration", levels: 3)])
    // A few roundings of sums of 22 numbers of size 3.
    #expect(abs(repeated.asDesigned.standardError - within.standardError) < 1e-13)
    #expect(abs(repeated.asDesigned.mean - within.mean) < 1e-13)
    let pooled = try CrossedDifference(
      candidate: [items, items, items], baseline: [zeros, zeros, zeros], weights: weights,
      clusters: clusters, factors: [.init("calibration", levels: 3)])
    #expect(pooled.asDesigned.standardError > 1.3 * within.standardError)
    let alone = try CrossedDifference(
      candidate: [items], baseline: [zeros], weights: weights, clusters: clusters,
      strata: Clusters([2] + Self.texts.dropFirst()))
    #expect(
      alone.overItems == (try MeanEstimate(sumOf: items, over: weights, clusters: clusters)),
      "a text of one window says nothing of its error")
  }

  @Test("effects on texts that cancel are no chance: with strata, α is used up; without, hardly")
  func sizeOfStrata() throws {
    var random = SeededGenerator(seed: 12)
    let trials = 1000
    var (stratified, pooled) = (0, 0)
    for _ in 0..<trials {
      let items = Self.texts.map { 1.5 * ($0 == 0 ? 20 : -12) / 16 + 0.7 * Self.normal(&random) }
      let table = (0..<3).map { _ in
        let seed = 0.1 * Self.normal(&random)
        return items.map { seed + $0 + 0.5 * Self.normal(&random) }
      }
      func p(_ strata: Clusters?) throws -> Double {
        let crossed = try CrossedDifference(
          candidate: table, baseline: table.map { $0.map { _ in 0 } }, strata: strata,
          factors: [.init("search", levels: 3)])
        return crossed.asDesigned.pValue() ?? 1
      }
      if try p(Clusters(Self.texts)) <= 0.05 { stratified += 1 }
      if try p(nil) <= 0.05 { pooled += 1 }
    }
    // Three standard errors of 5 % in 1000 trials are 2.1 points; the interval is known to be wide
    // where seeds are few.
    #expect(Double(stratified) / Double(trials) <= 0.071, "\(stratified)")
    #expect(stratified > 4 * pooled, "\(stratified) against \(pooled)")
  }
}
