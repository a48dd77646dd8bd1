import Foundation
import Testing

@testable import BitAllocation

@Suite("Sensitivity tables")
struct SensitivityTableTests {
  /// The example of DESIGN §7.
  static let example = """
    { "format": "assay.sensitivity-table", "version": 1,
      "units": [ { "id": "layers.0.experts.3", "layer": 0, "expert": 3, "projection": null,
                   "weights": 176160768,
                   "levels": [ { "bits": 1, "loss": 12.5 }, { "bits": 2, "loss": 3.1 },
                               { "bits": 3, "loss": 0.9 } ] } ] }
    """

  func read(_ text: String) throws -> SensitivityTable {
    try SensitivityTable(json: Data(text.utf8))
  }

  /// The example with a replacement.
  func refusal(_ old: String, _ new: String) -> TableError? {
    #expect(Self.example.contains(old))
    return #expect(throws: TableError.self) {
      try read(Self.example.replacingOccurrences(of: old, with: new))
    }
  }

  @Test("the example of the design is read")
  func readsExample() throws {
    let table = try read(Self.example)
    let unit = try #require(table.units.first)
    #expect(unit.id == "layers.0.experts.3")
    #expect(unit.layer == 0 && unit.expert == 3 && unit.projection == nil && unit.tie == nil)
    #expect(unit.levels.map(\.bits) == [1, 2, 3])
    #expect(unit.levels.map(\.loss) == [12.5, 3.1, 0.9])
    #expect(unit.levels[2].codeBits == 3 * 176_160_768)
    #expect(unit.levels[2].metadataBits == nil)
    #expect(table.scores.isEmpty)
  }

  @Test("what is written is read back, and equal tables give equal bytes")
  func roundTrips() throws {
    var units = try SensitivityTable.uneven().units
    units[1].tie = "pair \"a\"/b"
    units[2].projection = "down"
    units[3].expert = 7
    units[3].levels[0].metadataBits = 12
    units[3].levels[1].resources = ["latency-ms": 0.21, "bops": 115.6e6]
    units[4].levels[0].loss = nil
    let table = try SensitivityTable(
      units: units, scores: ["frequency": [0.1, 1, 2, 3, 1e-300, 1.0 / 3]])
    let json = table.json()
    #expect(try SensitivityTable(json: json) == table)
    #expect(try SensitivityTable(json: json).json() == json)
  }

  @Test("unknown keys are refused at their place, with the nearest name")
  func unknownKeys() {
    #expect(
      refusal("\"loss\": 3.1", "\"los\": 3.1")
        == .unknownKey(
          "los", path: "/units/0/levels/1", nearest: "loss",
          allowed: [
            "bits", "loss", "codeBits", "metadataBits", "resources", "sensitivities",
          ]))
    let error = refusal("\"version\"", "\"color\": 1, \"version\"")
    #expect(
      error?.description
        == "Unknown key \"color\" at /. Allowed: format, version, units, scores, neuronBlocks.")
  }

  @Test("bad numbers are refused by unit and level")
  func badNumbers() {
    let negative = refusal("\"bits\": 1", "\"bits\": -1")
    #expect(
      negative
        == .badNumber(unit: "layers.0.experts.3", bits: -1, quantity: "bits", value: -1))
    #expect(
      negative?.description
        == "Unit layers.0.experts.3, level -1: bits is -1; it must be a finite number in range.")
    // As Python's json module writes it.
    #expect(
      refusal("3.1", "NaN")?.description
        == "Unit layers.0.experts.3, level 2: loss is nan; it must be a finite number in range.")
    #expect(
      refusal("\"loss\": 0.9", "\"metadataBits\": -5")
        == .badNumber(unit: "layers.0.experts.3", bits: 3, quantity: "metadataBits", value: -5))
    #expect(
      refusal("0.9", "-Infinity")
        == .badNumber(unit: "layers.0.experts.3", bits: 3, quantity: "loss", value: -.infinity))
    #expect(
      refusal("176160768", "0") == .noWeights(unit: "layers.0.experts.3", weights: 0))
  }

  @Test("levels must be there, in order, and different")
  func levels() throws {
    let id = "layers.0.experts.3"
    #expect(refusal("\"bits\": 2", "\"bits\": 1") == .duplicateLevel(unit: id, bits: 1))
    #expect(
      refusal("\"bits\": 3", "\"bits\": 1.5") == .unorderedLevels(unit: id, bits: 2, next: 1.5))
    #expect(
      refusal("\"levels\"", "\"tie\"") == .wrongType(path: "/units/0/tie", expected: "a string"))
    #expect(throws: TableError.noLevels(unit: "a")) {
      try read(
        """
        {"format": "assay.sensitivity-table", "version": 1,
         "units": [{"id": "a", "layer": 0, "weights": 1, "levels": []}]}
        """)
    }
    #expect(throws: TableError.missingKey("levels", path: "/units/0")) {
      try read(
        """
        {"format": "assay.sensitivity-table", "version": 1,
         "units": [{"id": "a", "layer": 0, "weights": 1}]}
        """)
    }
  }

  @Test("units must be different, scores complete")
  func unitsAndScores() throws {
    let unit = try read(Self.example).units[0]
    #expect(throws: TableError.duplicateUnit(unit.id)) {
      try SensitivityTable(units: [unit, unit])
    }
    #expect(throws: TableError.wrongScoreCount(score: "frequency", values: 2, units: 1)) {
      try SensitivityTable(units: [unit], scores: ["frequency": [1, 2]])
    }
    #expect(throws: TableError.self) {
      try SensitivityTable(units: [unit], scores: ["frequency": [.nan]])
    }
  }

  @Test("numbers that cannot be summed or held exactly are refused: the fuzzer trapped on them")
  func hugeNumbers() throws {
    let half = Int.max / 2 + 1
    let units = ["a", "b"].map {
      Unit(id: $0, layer: 0, weights: half, levels: [Level(bits: 1, codeBits: 1)])
    }
    #expect(throws: TableError.tooManyWeights(unit: "b", weights: half)) {
      try SensitivityTable(units: units)
    }
    let level = Level(bits: 1e300, codeBits: 1e301)
    #expect(
      throws: TableError.badNumber(unit: "a", bits: 1e300, quantity: "codeBits", value: 1e301)
    ) { try SensitivityTable(units: [Unit(id: "a", layer: 0, weights: 10, levels: [level])]) }
  }

  @Test("types, format and syntax are checked")
  func shapes() {
    #expect(
      refusal("\"layer\": 0", "\"layer\": true")
        == .wrongType(path: "/units/0/layer", expected: "a whole number"))
    #expect(
      refusal("\"layer\": 0", "\"layer\": 0.5")
        == .wrongType(path: "/units/0/layer", expected: "a whole number"))
    #expect(
      refusal("\"version\": 1", "\"version\": 2")
        == .wrongFormat(
          got: "assay.sensitivity-table version 2",
          expected: "assay.sensitivity-table version 1"))
    #expect(
      refusal("] }", "]")?.description
        == "Not JSON: line 5, column 57: Found \"]\" where \",\" or \"}\" should be.")
    #expect(throws: TableError.notJSON("the file is empty")) { try read("") }
    #expect(throws: TableError.wrongType(path: "/", expected: "an object")) { try read("[]") }
  }
}

@Suite("Plans")
struct PlanTests {
  let plan = Plan(entries: [
    Plan.Entry(unit: "layers.10.experts.0", bits: 2.5), Plan.Entry(unit: "layers.2 \"x\"", bits: 4),
  ])
  var units: [String] { plan.entries.map(\.unit) }

  @Test("a plan is written in unit order and read back")
  func roundTrips() throws {
    let json = plan.json()
    #expect(
      String(decoding: json, as: UTF8.self)
        == "{\n  \"layers.10.experts.0\": 2.5,\n  \"layers.2 \\\"x\\\"\": 4\n}\n")
    #expect(try Plan(json: json, units: units) == plan)
    let wrapped = Data("{\"objective\": 1, \"plan\": ".utf8) + json + Data("}".utf8)
    #expect(try Plan(json: wrapped, units: units) == plan)
    #expect(plan.bits(of: "layers.10.experts.0") == 2.5)
    #expect(plan.bits(of: "other") == nil)
  }

  @Test("units must match the table")
  func refusals() throws {
    let json = plan.json()
    #expect(
      throws: TableError.unknownUnit("layers.10.experts.0", nearest: "layers.11.experts.0")
    ) { try Plan(json: json, units: ["layers.11.experts.0", "layers.2 \"x\""]) }
    #expect(throws: TableError.unitWithoutPlan("c")) { try Plan(json: json, units: units + ["c"]) }
    #expect(throws: TableError.badNumber(unit: "a", bits: 0, quantity: "bits", value: 0)) {
      try Plan(json: Data("{\"a\": 0}".utf8), units: ["a"])
    }
  }
}
