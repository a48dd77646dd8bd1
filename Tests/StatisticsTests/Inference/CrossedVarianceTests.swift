import Statistics
import Testing

@Suite("Variance split over crossed factors")
struct CrossedVarianceTests {
  @Test("mean squares are those of statsmodels, components those of the textbook formulas")
  func golden() throws {
    for golden in try StatisticsGolden.load().variance {
      let factors = zip(["a", "b", "c"], golden.shape).map {
        CrossedVariance.Factor($0, levels: $1)
      }
      let split = try CrossedVariance(golden.values, factors: factors)
      #expect(split.components.count == golden.variances.count)
      for component in split.components {
        let name = component.factors.joined()
        let (square, variance) = (golden.meanSquares[name], golden.variances[name])
        expectClose(component.meanSquare, try #require(square), within: 1e-10, name)
        expectClose(component.unbiasedVariance, try #require(variance), within: 1e-9, name)
      }
    }
  }

  private func normal(_ random: inout SeededGenerator) throws -> Double {
    try StandardNormal.quantile((Double(random.below(1 << 40)) + 0.5) / Double(1 << 40))
  }

  @Test("planted seed, item and noise variances are found on average")
  func planted() throws {
    var random = SeededGenerator(seed: 6)
    var (seed, item, noise, mean) = (0.0, 0.0, 0.0, [Double]())
    let rounds = 400
    for _ in 0..<rounds {
      let seeds = try (0..<5).map { _ in try 0.5 * normal(&random) }
      let items = try (0..<40).map { _ in try 2 * normal(&random) }
      var values: [Double] = []
      for s in seeds { for i in items { values.append(try 7 + s + i + normal(&random)) } }
      let split = try CrossedVariance(
        values, factors: [.init("seed", levels: 5), .init("item", levels: 40)])
      seed += try split.component("seed").unbiasedVariance
      item += try split.component("item").unbiasedVariance
      noise += try split.component("item", "seed").unbiasedVariance
      mean.append(split.grandMean)
    }
    // Five standard errors of the mean of 400 estimates: about 5/√400 of each estimate's own
    // deviation, which is below 0.2, 1 and 0.12.
    #expect(abs(seed / Double(rounds) - 0.25) < 0.05)
    #expect(abs(item / Double(rounds) - 4) < 0.25)
    #expect(abs(noise / Double(rounds) - 1) < 0.03)
  }

  @Test("redrawing seeds alone leaves the items out; redrawing all is the sum of all")
  func varianceOfMean() throws {
    let values = [1.0, 5, 9, 2, 6.5, 10, 0.5, 5, 8]
    let split = try CrossedVariance(
      values, factors: [.init("seed", levels: 3), .init("item", levels: 3)])
    let seed = try split.component("seed").variance
    let item = try split.component("item").variance
    let both = try split.component("seed", "item").variance
    #expect(item > seed)
    expectClose(
      try split.varianceOfMean(redrawing: "seed"), seed / 3 + both / 9, within: 1e-14)
    expectClose(
      try split.varianceOfMean(redrawing: "seed", "item"), seed / 3 + item / 3 + both / 9,
      within: 1e-14)
    #expect(try split.varianceOfMean() == 0)
    let shares = split.components.compactMap { split.share(of: $0) }
    expectClose(shares.reduce(0, +), 1, within: 1e-14)
  }

  @Test("one factor is the sample variance; a common shift changes nothing")
  func oneFactor() throws {
    let values = [3.0, 1, 4, 1, 5]
    let split = try CrossedVariance(values, factors: [.init("seed", levels: 5)])
    let deviation = try #require(SampleSummary(values)?.standardDeviation)
    expectClose(try split.component("seed").variance, deviation * deviation, within: 1e-14)
    let shifted = try CrossedVariance(
      values.map { $0 + 1e9 }, factors: [.init("seed", levels: 5)])
    // Nine digits of each value are gone in the sum.
    expectClose(try shifted.component("seed").variance, deviation * deviation, within: 1e-6)
  }

  @Test("equal cells have no variance at all")
  func constants() throws {
    let split = try CrossedVariance(
      [Double](repeating: 0.1, count: 12),
      factors: [.init("a", levels: 2), .init("b", levels: 3), .init("c", levels: 2)])
    #expect(split.components.allSatisfy { $0.meanSquare == 0 })
    #expect(split.grandMean == 0.1)
    #expect(split.share(of: split.components[0]) == nil)
  }

  @Test("bad tables are refused in words")
  func refusals() throws {
    typealias Factor = CrossedVariance.Factor
    func split(_ values: [Double], _ factors: [Factor]) throws {
      _ = try CrossedVariance(values, factors: factors)
    }
    #expect(throws: StatisticsError.tooFew("levels of seed", count: 1, needed: 2)) {
      try split([1, 2], [Factor("seed", levels: 1), Factor("item", levels: 2)])
    }
    #expect(throws: StatisticsError.lengthsDiffer("values", 3, "cells of the table", 4)) {
      try split([1, 2, 3], [Factor("seed", levels: 2), Factor("item", levels: 2)])
    }
    #expect(throws: StatisticsError.notFinite("values", index: 1)) {
      try split([1, .nan], [Factor("seed", levels: 2)])
    }
    #expect(throws: StatisticsError.self) { try split([], []) }
    #expect(throws: StatisticsError.self) {
      try split([1, 2, 3, 4], [Factor("a", levels: 2), Factor("a", levels: 2)])
    }
    #expect(throws: StatisticsError.self) {
      try split([1], [Factor("a", levels: .max), Factor("b", levels: .max)])
    }
    let good = try CrossedVariance([1, 2], factors: [Factor("seed", levels: 2)])
    #expect(throws: StatisticsError.unknownFactor("x", known: ["seed"])) {
      try good.component("x")
    }
    #expect(throws: StatisticsError.self) { try good.component() }
  }
}
