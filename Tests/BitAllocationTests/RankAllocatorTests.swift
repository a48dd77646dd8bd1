import Statistics
import Testing

@testable import BitAllocation

@Suite("Rank allocators")
struct RankAllocatorTests {
  func plan(
    _ name: String, _ table: SensitivityTable, budget: Double, law: RankLaw? = nil,
    seed: UInt64 = 1
  ) throws -> Allocation {
    try Allocators.named(name, law: law).allocate(
      AllocationProblem(table: table, budget: Budget(experts: budget)), seed: seed)
  }

  @Test("fill raises in score order, level by level, and skips what does not fit")
  func fillsByHand() throws {
    // Levels 2, 3, 4; weights 10, 6, 4, order of scores: B, A, C. From 40 bits, B + 6, A + 10,
    // C + 4 make 60; second pass: B + 6 makes 66, A + 10 is above 70, C + 4 makes 70.
    let weights = [10, 6, 4]
    let units = zip(["A", "B", "C"], weights).map { id, weights in
      Unit(
        id: id, layer: 0, weights: weights,
        levels: [2, 3, 4].map { .plain($0, weights: weights) })
    }
    let table = try SensitivityTable(units: units, scores: ["frequency": [2, 3, 1]])
    let result = try plan("frequency", table, budget: 3.5)
    #expect(result.plan.entries.map(\.bits) == [3, 4, 4])
    #expect(abs(result.limits[0].slack) < 1e-12)
    #expect(!result.forced)
    let less = try plan("frequency", table, budget: 2.5)
    #expect(less.plan.entries.map(\.bits) == [2, 3, 3])
    // After B (6 of 10) A does not fit, C makes it full.
    #expect(abs(less.limits[0].slack) < 1e-12)
  }

  @Test("two-level gives 2 of 8 experts of each layer 4 bits at a mean of 2.5 (Li et al. 2024)")
  func twoLevelIsLi() throws {
    let frequency: [Double] = [1, 9, 3, 3, 8, 0, 2, 3, 5, 5, 5, 5, 5, 5, 5, 5]
    let table = try SensitivityTable.grid(
      layers: 2, experts: 8, levels: [2, 4], frequency: frequency)
    let result = try plan("frequency", table, budget: 2.5)
    #expect(
      result.plan.entries.map(\.bits) == [2, 4, 2, 2, 4, 2, 2, 2, 4, 4, 2, 2, 2, 2, 2, 2])
    #expect(result.bits["expert-code-bits"] == 2.5)
    // 2.54 bits do not buy a third expert per layer.
    #expect(try plan("frequency", table, budget: 2.54).plan == result.plan)
    let random = try plan("random", table, budget: 2.5)
    for layer in 0..<2 {
      let bits = random.plan.entries[8 * layer..<8 * layer + 8].map(\.bits)
      #expect(bits.filter { $0 == 4 }.count == 2)
    }
  }

  @Test("equal scores keep the order of the units")
  func tiesGoByIndex() throws {
    let table = try SensitivityTable.grid(
      layers: 1, experts: 4, levels: [2, 3, 4], frequency: [5, 5, 5, 5])
    #expect(try plan("frequency", table, budget: 2.5).plan.entries.map(\.bits) == [3, 3, 2, 2])
  }

  @Test("random differs between seeds, and every unit is raised about equally often")
  func randomIsFair() throws {
    let table = try SensitivityTable.grid(layers: 1, experts: 8, levels: [2, 3, 4])
    var raised = [Int](repeating: 0, count: 8)
    for seed in 0..<800 {
      let bits = try plan("random", table, budget: 2.25, seed: UInt64(seed)).plan.entries
      for (index, entry) in bits.enumerated() where entry.bits > 2 { raised[index] += 1 }
    }
    #expect(raised.reduce(0, +) == 1600)
    // Mean 200, standard deviation 12; five of them.
    for count in raised { #expect(abs(count - 200) < 61) }
  }

  @Test("random draws a new order for each pass")
  func randomIsRedrawn() throws {
    // 12 of 8 experts: all raised once, four twice. With one order for both passes the four would
    // be the first four of it.
    let table = try SensitivityTable.grid(layers: 1, experts: 8, levels: [2, 3, 4])
    var generator = SeededGenerator(seed: 3)
    var (first, second) = (Array(0..<8), Array(0..<8))
    generator.shuffle(&first)
    generator.shuffle(&second)
    let result = try plan("random", table, budget: 3.5, seed: 3)
    let twice = result.plan.entries.indices.filter { result.plan.entries[$0].bits == 4 }
    #expect(twice == second.prefix(4).sorted())
    #expect(twice != first.prefix(4).sorted())
  }

  @Test(
    "a plan is forced where the budget buys nothing or everything",
    arguments: [(2.0, true), (2.01, true), (2.0625, false), (3.9, false), (4.0, true), (5.0, true)])
  func forced(budget: Double, forced: Bool) throws {
    let table = try SensitivityTable.grid(layers: 1, experts: 8, levels: [2, 2.5, 3, 3.5, 4])
    #expect(try plan("random", table, budget: budget).forced == forced)
    #expect(
      try plan("random", table, budget: budget, law: .twoLevel(low: 2, high: 4)).forced
        == (forced || budget < 2.25))
  }

  @Test("what one unit a layer cannot have, single units can: the budget forces nothing")
  func oneUnitALayer() throws {
    let table = try SensitivityTable.grid(layers: 8, experts: 1, levels: [2, 4])
    for (budget, forced) in [(2.0, true), (2.5, false), (3.9, false), (4.0, true)] {
      #expect(try plan("frequency", table, budget: budget).forced == forced, "\(budget)")
    }
  }

  @Test("a budget that decimals meet exactly counts as met")
  func exactBudget() throws {
    // 2.3 in binary is below 2.3; ten weights at 2.3 are 23 code bits.
    let units = (0..<10).map { index in
      Unit(
        id: "\(index)", layer: 0, weights: 1,
        levels: [Level(bits: 2, codeBits: 2), Level(bits: 3, codeBits: 3)])
    }
    let table = try SensitivityTable(
      units: units, scores: ["frequency": [Double](repeating: 0, count: 10)])
    let result = try plan("frequency", table, budget: 2.3, law: .fill)
    #expect(result.plan.entries.filter { $0.bits == 3 }.count == 3)
    #expect(result.objective == nil)
  }

  @Test("what cannot be done is refused with the remedy")
  func refusals() throws {
    let table = try SensitivityTable.grid(layers: 1, experts: 2, levels: [2, 2.5, 4])
    let uniform = #expect(throws: AllocationError.self) {
      try plan("uniform", table, budget: 2.25)
    }
    #expect(uniform == .notALevel(budget: 2.25, levels: [2, 2.5, 4]))
    #expect(
      uniform?.description
        == "2.25 bits are needed as a level; the table has 2, 2.5, 4.")
    var counted = AllocationProblem(table: table, budget: Budget(experts: 2.5))
    counted.requirements = [AllocationProblem.Requirement(bits: 4, count: 1)]
    let counts = #expect(throws: AllocationError.self) {
      try UniformAllocator().allocate(counted, seed: 0)
    }
    #expect(
      counts?.description
        == "Allocator uniform gives all units the same bits, so it cannot keep at least 1 at 4 "
        + "bits; use exact.")
    #expect(throws: AllocationError.badBudget(0)) { try plan("uniform", table, budget: 0) }
    #expect(
      throws: AllocationError.missingLevel(
        unit: "layers.0.experts.0", bits: 3, levels: [2, 2.5, 4])
    ) { try plan("frequency", table, budget: 3, law: .twoLevel(low: 2, high: 3)) }
    #expect(throws: AllocationError.unorderedLevels(low: 4, high: 2)) {
      try plan("frequency", table, budget: 3, law: .twoLevel(low: 4, high: 2))
    }
    let bare = try SensitivityTable(units: table.units)
    #expect(throws: AllocationError.missingScore("frequency", available: [])) {
      try plan("frequency", bare, budget: 3)
    }
    #expect(throws: AllocationError.emptyTable) {
      try plan("uniform", SensitivityTable(units: []), budget: 3)
    }
    #expect(
      throws: AllocationError.unknownAllocator(
        "freqency", nearest: "frequency", known: Allocators.names)
    ) { try Allocators.named("freqency") }
  }

  @Test("tied units move together, ranked by their mean score")
  func ties() throws {
    var units = try SensitivityTable.grid(layers: 1, experts: 4, levels: [2, 3]).units
    units[0].tie = "gate-up"
    units[3].tie = "gate-up"
    let table = try SensitivityTable(units: units, scores: ["frequency": [9, 5, 4, 3]])
    // Means: 6 for the tie, then 5 and 4.
    #expect(
      try plan("frequency", table, budget: 2.5, law: .fill).plan.entries.map(\.bits) == [
        3, 2, 2, 3,
      ])
    #expect(try plan("uniform", table, budget: 3).plan.entries.map(\.bits) == [3, 3, 3, 3])
  }

  @Test("first and last layers are raised whole, as many as fit")
  func layers() throws {
    let table = try SensitivityTable.grid(layers: 4, experts: 2, levels: [2, 4])
    #expect(
      try plan("first-layers", table, budget: 3.4).plan.entries.map(\.bits)
        == [4, 4, 4, 4, 2, 2, 2, 2])
    #expect(
      try plan("last-layers", table, budget: 2.5).plan.entries.map(\.bits)
        == [2, 2, 2, 2, 2, 2, 4, 4])
  }
}
