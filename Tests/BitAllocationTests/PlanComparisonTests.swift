import BitAllocation
import Testing

@Suite("Comparison of plans")
struct PlanComparisonTests {
  private func plan(_ bits: KeyValuePairs<String, Double>) -> Plan {
    Plan(entries: bits.map { Plan.Entry(unit: $0.key, bits: $0.value) })
  }

  /// Two layers of two experts; the order of the second plan is another.
  private var pair: (Plan, Plan) {
    (
      plan([
        "layers.0.experts.0": 2, "layers.0.experts.1": 3, "layers.1.experts.0": 3,
        "layers.1.experts.1": 4,
      ]),
      plan([
        "layers.1.experts.1": 2, "layers.1.experts.0": 3, "layers.0.experts.1": 3,
        "layers.0.experts.0": 4,
      ])
    )
  }

  private func group<Group>(
    _ group: Group, _ units: Int, _ a: Double, _ b: Double
  ) -> GroupBits<Group> {
    GroupBits(group: group, units: units, bits: BitsPair(a: a, b: b))
  }

  @Test("four experts, worked out by hand")
  func byHand() throws {
    let result = try PlanComparison(pair.0, pair.1)
    #expect(result.units == 4)
    #expect(result.weighting.rawValue == "equal weights, for want of a table")
    #expect(result.agreement == 0.5)
    // Expected 2 · (1/4 · 1/4) + 1/2 · 1/2 = 3/8, so (1/2 − 3/8) / (5/8).
    #expect(result.kappa.value == 0.2)
    // Ranks 1, 2.5, 2.5, 4 against 4, 2.5, 2.5, 1; both roots of 4.5 are rounded.
    #expect(abs(try #require(result.spearman) + 1) < 1e-15)
    #expect(result.highestLevel == 4)
    #expect(result.highestLevelJaccard == 0)
    #expect(result.levels.levels == [2, 3, 4])
    #expect(result.levels.counts == [[0, 0, 1], [0, 2, 0], [1, 0, 0]])
    #expect(result.levels.histogramA == [1, 2, 1])
    #expect(result.levels.histogramB == [1, 2, 1])
    #expect(result.mean == BitsPair(a: 3, b: 3))
    #expect(result.byLayer == [group(0, 2, 2.5, 3.5), group(1, 2, 3.5, 2.5)])
    #expect(result.byLayer.map(\.bits.difference) == [1, -1])
    #expect(result.byExpert == [group(0, 2, 2.5, 3.5), group(1, 2, 3.5, 2.5)])
    #expect(result.byBlock == [group(.experts, 4, 3, 3)])
    #expect(result.byProjection == [])
    #expect(result.heatMap.layers == [0, 1])
    #expect(result.heatMap.experts == [0, 1])
    #expect(
      result.heatMap.cells == [
        [BitsPair(a: 2, b: 4), BitsPair(a: 3, b: 3)],
        [BitsPair(a: 3, b: 3), BitsPair(a: 4, b: 2)],
      ])
    #expect(result.unplaced == [])
  }

  @Test("a plan agrees with itself")
  func identity() throws {
    let result = try PlanComparison(pair.0, pair.0)
    #expect(result.agreement == 1)
    #expect(result.kappa.value == 1)
    #expect(abs(try #require(result.spearman) - 1) < 1e-15)
    #expect(result.highestLevelJaccard == 1)
  }

  @Test("means are weighted by the weights of the table, counts are not")
  func weighted() throws {
    let weights = ["a": 1, "b": 3, "c": 6]
    let units = weights.sorted { $0.key < $1.key }.map { id, weights in
      Unit(
        id: id, layer: id == "c" ? 7 : 5, projection: id == "a" ? "gate" : "down",
        weights: weights, levels: [Level(bits: 2, codeBits: 2)])
    }
    let result = try PlanComparison(
      plan(["a": 2, "b": 4]), plan(["a": 4, "b": 4]), table: SensitivityTable(units: units))
    #expect(result.weighting == .table)
    #expect(result.agreement == 0.5)
    #expect(result.mean == BitsPair(a: 3.5, b: 4))
    #expect(result.byLayer == [group(5, 2, 3.5, 4)])
    #expect(result.byProjection == [group("down", 1, 4, 4), group("gate", 1, 2, 4)])
    #expect(result.byBlock == [])
    #expect(result.spearman == nil)
    #expect(result.highestLevelJaccard == 0.5)
    #expect(result.heatMap.cells == [])
  }

  @Test("blocks, projections and a layer without experts are read from the ids")
  func places() throws {
    let units: KeyValuePairs<String, Double> = [
      "layers.0.mlp": 4, "layers.0.attention.q": 3, "layers.1.experts.5.gate": 2,
      "layers.1.experts.5.down": 4, "layers.1.experts.6": 3, "layers.2.experts.5": 1,
      "layers.2.shared": 6, "head": 8,
    ]
    let result = try PlanComparison(plan(units), plan(units))
    #expect(result.unplaced == ["head"])
    #expect(result.byLayer.map(\.group) == [0, 1, 2])
    #expect(result.byLayer.map(\.units) == [2, 3, 2])
    #expect(result.byBlock.map(\.group) == [.attention, .experts, .mlp, .shared])
    #expect(result.byProjection.map(\.group) == ["down", "gate", "q"])
    #expect(result.byExpert == [group(5, 3, 7.0 / 3, 7.0 / 3), group(6, 1, 3, 3)])
    #expect(result.heatMap.layers == [1, 2])
    #expect(result.heatMap.experts == [5, 6])
    #expect(
      result.heatMap.cells == [
        [BitsPair(a: 3, b: 3), BitsPair(a: 3, b: 3)], [BitsPair(a: 1, b: 1), nil],
      ])
  }

  @Test(
    "other texts tell no place",
    arguments: [
      "", "layers", "layers.0", "layers.x.mlp", "layers.0.router", "layers.0.experts.x",
      "layers.0.experts.1.q.k", "layers.0.mlp.sideways", "layers.+1.mlp", "layers.0.mlp.",
    ])
  func noPlace(id: String) {
    #expect(UnitPlace(id: id) == nil)
  }

  @Test("plans over different units are refused by name")
  func differentUnits() throws {
    let (a, b) = (plan(["x": 2, "y": 3, "z": 3]), plan(["x": 2, "w": 3]))
    let error = PlanComparisonError.differentUnits(
      missing: "y", missingCount: 2, extra: "w", extraCount: 1)
    #expect(throws: error) { try PlanComparison(a, b) }
    #expect(
      error.description
        == "The plans are over different units. The second lacks y and 1 more. The first lacks w. "
        + "Compare plans of the same units.")
  }

  @Test("empty plans, doubled units, absurd bits and unknown units are refused")
  func refusals() throws {
    let good = plan(["x": 2])
    #expect(throws: PlanComparisonError.noUnits) { try PlanComparison(plan([:]), plan([:])) }
    #expect(throws: PlanComparisonError.duplicateUnit("x", plan: "second")) {
      try PlanComparison(good, plan(["x": 2, "x": 3]))
    }
    #expect(throws: PlanComparisonError.badBits(unit: "x", bits: .infinity, plan: "first")) {
      try PlanComparison(plan(["x": .infinity]), good)
    }
    let table = try SensitivityTable(
      units: [Unit(id: "x1", layer: 0, weights: 1, levels: [Level(bits: 2, codeBits: 2)])])
    #expect(throws: PlanComparisonError.notInTable("x", nearest: "x1")) {
      try PlanComparison(good, good, table: table)
    }
  }
}
