import BitAllocation
import Foundation
import JSON
import Testing

@Suite("Plans from elsewhere")
struct PlanImportTests {
  private func plan(
    _ text: String, _ format: PlanFormat, at pointer: [String] = []
  ) throws(PlanImportError) -> [String] {
    let plan = try Plan(importing: Data(text.utf8), as: format, at: JSONPointer(pointer))
    return plan.entries.map { "\($0.unit)=\($0.bits)" }
  }

  private func expect(
    _ text: String, _ format: PlanFormat, fails error: PlanImportError,
    at pointer: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: error, sourceLocation: sourceLocation) {
      try plan(text, format, at: pointer)
    }
  }

  private func unexpected(_ place: String, _ found: String, _ expected: String) -> PlanImportError {
    .unexpected(place: place, found: found, expected: expected)
  }

  @Test("a plan of ours is read in its order, bare or inside a result")
  func ours() throws {
    let units = ["layers.1.shared=2.5", "layers.0.experts.3=4.0"]
    #expect(try plan(#"{"layers.1.shared": 2.5, "layers.0.experts.3": 4}"#, .plan) == units)
    let result = #"{"bits": {}, "plan": {"layers.1.shared": 2.5, "layers.0.experts.3": 4}}"#
    #expect(try plan(result, .plan) == units)
  }

  @Test("what a plan writes is read back")
  func roundTrip() throws {
    let plan = Plan(entries: [.init(unit: "b", bits: 2.5), .init(unit: "a", bits: 3)])
    #expect(try Plan(importing: plan.json(), as: .plan) == plan)
  }

  @Test("a damaged plan of ours is refused with its pointer")
  func badOurs() {
    expect("[]", .plan, fails: unexpected("/", "an array", "an object {unit: bits}"))
    expect(
      #"{"plan": 3}"#, .plan, fails: unexpected("/plan", "a number", "an object {unit: bits}"))
    expect(
      #"{"plan": {"a/b": "3"}}"#, .plan,
      fails: unexpected("/plan/a~1b", "a string", "a number of bits, or slices of neurons"))
    expect(
      #"{"a": -1}"#, .plan, fails: unexpected("/a", "-1 bits", "a finite number above 0"))
    expect("{}", .plan, fails: .noUnits(expected: "an object {unit: bits}"))
    expect("", .plan, fails: .notJSON("the file is empty."))
    #expect(throws: PlanImportError.self) { try plan(#"{"a": 1, "a": 2}"#, .plan) }
    expect(
      #"{"a": [{"bits": 4, "neurons": 0}]}"#, .plan,
      fails: unexpected("/a/0", "an object", #"a slice such as {"bits": 4, "neurons": 96}"#))
  }

  @Test("slices of neurons count by their mean bits")
  func slices() throws {
    let text = #"{"plan": {"a": [{"bits": 4, "neurons": 32}, {"bits": 2, "neurons": 96}], "b": 3}}"#
    #expect(
      try Plan(importing: Data(text.utf8), as: .plan)
        == Plan(entries: [.init(unit: "a", bits: 2.5), .init(unit: "b", bits: 3)]))
  }

  @Test("lines of unit and bits are read with and without heading, blanks and carriage returns")
  func csv() throws {
    let units = ["layers.0.experts.0=2.0", "layers.0.experts.1=3.5"]
    #expect(try plan("layers.0.experts.0,2\nlayers.0.experts.1,3.5\n", .csv) == units)
    #expect(
      try plan("\u{FEFF}unit,bits\r\nlayers.0.experts.0, 2\r\n\r\nlayers.0.experts.1,3.5", .csv)
        == units)
  }

  @Test("a damaged line is refused with its number")
  func badCSV() {
    expect("unit,bits\na;2", .csv, fails: unexpected("line 2", "\"a;2\"", "unit,bits"))
    expect("a,2,3", .csv, fails: unexpected("line 1", "\"a,2,3\"", "unit,bits"))
    expect(",2", .csv, fails: unexpected("line 1", "\",2\"", "unit,bits"))
    expect("a,2\nb,two", .csv, fails: unexpected("line 2", "\"two\"", "a number of bits"))
    expect("a,2\n\na,3", .csv, fails: .duplicateUnit("a", place: "line 3"))
    expect("a,0", .csv, fails: unexpected("line 1", "0 bits", "a finite number above 0"))
    expect("a,nan", .csv, fails: unexpected("line 1", "nan bits", "a finite number above 0"))
    expect("unit,bits\n", .csv, fails: .noUnits(expected: "lines unit,bits"))
    #expect(throws: PlanImportError.notUTF8) {
      try Plan(importing: Data([0x61, 0xFF]), as: .csv)
    }
  }

  @Test("a matrix is layers by experts, of numbers or of digits")
  func matrix() throws {
    let units = [
      "layers.0.experts.0=1.0", "layers.0.experts.1=2.0", "layers.2.experts.0=3.0",
      "layers.2.experts.1=1.0",
    ]
    #expect(try plan("[[1, 2], [], [3, 1]]", .matrix) == units)
    #expect(try plan(#"["12", "", "31"]"#, .matrix) == units)
    let document = #"{"gemq": {"2.5": ["12", [], "31"]}}"#
    #expect(try plan(document, .matrix, at: ["gemq", "2.5"]) == units)
  }

  @Test("a damaged matrix is refused with its pointer")
  func badMatrix() {
    let rows = "an array with one row per layer"
    expect("{}", .matrix, fails: unexpected("/", "an object", rows))
    expect("[[], []]", .matrix, fails: .noUnits(expected: rows))
    expect(
      "[[1, 2], [3]]", .matrix,
      fails: unexpected("/1", "1 experts", "2, as in the rows before, or an empty row"))
    expect("[[1, null]]", .matrix, fails: unexpected("/0/1", "null", "a number of bits"))
    expect(
      "[1]", .matrix,
      fails: unexpected("/0", "a number", "an array of bits, or a text of one digit per expert"))
    expect(
      #"["12", "1x"]"#, .matrix, fails: unexpected("/1, character 2", "\"x\"", "a digit"))
    expect(
      #"["10"]"#, .matrix, fails: unexpected("/0/1", "0 bits", "a finite number above 0"))
    expect("[]", .matrix, fails: unexpected("/pmq", "nothing", "a plan"), at: ["pmq"])
  }

  @Test(
    "names of linear layers become ids",
    arguments: [
      ("model.layers.0.self_attn.q_proj", "layers.0.attention.q"),
      ("model.layers.31.self_attn.o_proj", "layers.31.attention.o"),
      ("layers.2.mlp.gate_proj", "layers.2.mlp.gate"),
      ("model.layers.2.mlp.experts.63.down_proj", "layers.2.experts.63.down"),
      ("model.layers.2.mlp.shared_expert.up_proj", "layers.2.shared.up"),
      ("model.layers.2.mlp.shared_experts.up_proj", "layers.2.shared.up"),
      ("model.layers.3.block_sparse_moe.experts.5.w1", "layers.3.experts.5.gate"),
      ("model.layers.3.block_sparse_moe.experts.5.w2", "layers.3.experts.5.down"),
      ("model.layers.3.block_sparse_moe.experts.5.w3", "layers.3.experts.5.up"),
    ])
  func evoPressNames(name: String, id: String) throws {
    #expect(try plan("\(name): 3", .evopress) == ["\(id)=3.0"])
    #expect(UnitPlace(id: id)?.id == id)
  }

  @Test(
    "names of anything else are refused with their line",
    arguments: [
      "lm_head", "model.layers.0.mlp.gate", "model.layers.0.self_attn.gate_proj",
      "model.layers.0.mlp.q_proj", "model.layers.-1.mlp.up_proj",
      "model.layers.0.mlp.experts.up_proj",
      "model.layers.0.mlp.shared_expert.1.up_proj", "model.layers.0.block_sparse_moe.experts.1.w4",
      "model.layers.0.block_sparse_moe.w1", "model.layers.0.up_proj", "model.layers", "",
      "model.layers.0.mlp.up_proj.weight", "model.layers.99999999999999999999.mlp.up_proj",
    ])
  func badEvoPressNames(name: String) throws {
    let text = "model.layers.0.self_attn.q_proj: 3\n\(name): 4"
    let error = #expect(throws: PlanImportError.self) { try plan(text, .evopress) }
    let message = try #require(error).description
    #expect(message.hasPrefix("At line 2: found \""), "\(message)")
  }

  @Test("an EvoPress configuration is read line by line")
  func evoPress() throws {
    let text = """
      model.layers.0.self_attn.q_proj: 2
      model.layers.0.self_attn.k_proj: 3

      model.layers.0.mlp.down_proj: 6
      """
    #expect(
      try plan(text, .evopress)
        == ["layers.0.attention.q=2.0", "layers.0.attention.k=3.0", "layers.0.mlp.down=6.0"])
    expect(
      "model.layers.0.mlp.up_proj 3", .evopress,
      fails: unexpected("line 1", "\"model.layers.0.mlp.up_proj 3\"", "linear: bits"))
    // Both spellings name one unit.
    expect(
      "model.layers.0.mlp.up_proj: 3\nlayers.0.mlp.up_proj: 4", .evopress,
      fails: .duplicateUnit("layers.0.mlp.up", place: "line 2"))
  }
}
