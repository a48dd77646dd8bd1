import BitAllocation
import Testing

@Suite("Sums of tables")
struct SummedTableTests {
  private func table(
    _ losses: [[Double?]], sensitivities: [String] = ["output"], score: Double = 0
  ) throws -> SensitivityTable {
    try SensitivityTable(
      units: losses.enumerated().map { index, losses in
        Unit(
          id: "unit \(index)", layer: 0, weights: 10, hasFewTokens: losses[0] == nil,
          levels: losses.enumerated().map { place, loss in
            Level(
              bits: Double(place + 2), loss: loss, codeBits: Double(10 * (place + 2)),
              sensitivities: Dictionary(
                uniqueKeysWithValues: sensitivities.map { ($0, 2 * (loss ?? 0)) }))
          })
      }, scores: ["frequency": losses.map { _ in score }])
  }

  @Test("losses add up where there are any, scores are averaged")
  func sums() throws {
    let sum = try SensitivityTable(sumOf: [
      table([[4, 1], [3, 2], [nil, nil]], score: 1),
      table([[1, 0.5], [nil, nil], [nil, nil]], score: 3),
    ])
    #expect(sum.units.map { $0.levels.map(\.loss) } == [[5, 1.5], [3, 2], [nil, nil]])
    #expect(sum.units[0].levels.map { $0.sensitivities["output"] } == [10, 3])
    #expect(sum.units[1].levels.map { $0.sensitivities["output"] } == [6, 4])
    #expect(sum.units.map(\.hasFewTokens) == [false, false, true])
    #expect(sum.scores == ["frequency": [2, 2, 2]])
    #expect(sum.units.map { $0.levels.map(\.codeBits) } == [[20, 30], [20, 30], [20, 30]])
  }

  @Test("the sum of one table is that table")
  func single() throws {
    let table = try table([[4, 1], [nil, nil]])
    #expect(try SensitivityTable(sumOf: [table]) == table)
  }

  @Test("a sensitivity that one text lacks is not summed")
  func incomplete() throws {
    let sum = try SensitivityTable(sumOf: [
      table([[4, 1]], sensitivities: ["output", "pmq"]), table([[1, 1]], sensitivities: ["pmq"]),
    ])
    #expect(sum.units[0].levels[0].sensitivities == ["pmq": 10])
  }

  @Test("tables of other units or levels are refused")
  func others() throws {
    #expect(throws: TableError.otherUnits(first: "1 units", second: "2")) {
      try SensitivityTable(sumOf: [table([[1, 1]]), table([[1, 1], [1, 1]])])
    }
    #expect(throws: TableError.otherUnits(first: "unit 0", second: "unit 0, or its levels")) {
      try SensitivityTable(sumOf: [table([[1, 1]]), table([[1, 1, 1]])])
    }
  }

  @Test("the plan of the sum is the best plan for all texts together")
  func merged() throws {
    let (a, b) = (try table([[9, 1], [5, 1], [2, 1]]), try table([[2, 1], [4, 1], [9, 1]]))
    func plan(_ table: SensitivityTable) throws -> [Double] {
      let problem = AllocationProblem(
        table: table, budget: Budget(bounds: [Budget.Bound(.experts, 2.34)]))
      return try Allocators.named("exact").allocate(problem, seed: 0).plan.entries.map(\.bits)
    }
    #expect(try plan(a) == [3, 2, 2])
    #expect(try plan(b) == [2, 2, 3])
    // Drops 9, 7 and 9: units 0 and 2 tie, and unit 1 is never best.
    #expect(try plan(SensitivityTable(sumOf: [a, b])) != [2, 3, 2])
  }
}
