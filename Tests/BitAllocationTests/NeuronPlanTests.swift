import BitAllocation
import Foundation
import Testing

@Suite("Plans over neurons")
struct NeuronPlanTests {
  /// Two experts of 96 and 70 neurons with bits 2, 3, 4.
  private func table() throws -> NeuronTable {
    try NeuronTable(bits: [2, 3, 4], experts: [expert(0, neurons: 96), expert(1, neurons: 70)])
  }

  /// Neuron j loses 4 (j + 1), j + 1 and 0; the last is ranked first.
  private func expert(_ index: Int, neurons: Int) -> NeuronTable.Expert {
    var loss: [Float] = []
    for neuron in 1...neurons { loss += [Float(4 * neuron), Float(neuron), 0] }
    return NeuronTable.Expert(
      id: "layers.0.experts.\(index)", layer: 0, expert: index, weightsPerNeuron: 10, loss: loss,
      order: (0..<neurons).reversed().map { Int32($0) })
  }

  private func plan(_ json: String) throws -> NeuronPlan {
    try NeuronPlan(json: Data(json.utf8), for: table())
  }

  @Test("a plan is read, alone or under its key, and written as it was read")
  func roundTrip() throws {
    let text = """
      {"layers.0.experts.1": [{"bits": 2, "neurons": 70}],
       "layers.0.experts.0": [{"bits": 4, "neurons": 32}, {"bits": 2, "neurons": 64}]}
      """
    let plan = try plan(text)
    #expect(plan.entries.map(\.unit) == ["layers.0.experts.0", "layers.0.experts.1"])
    #expect(
      plan.slices(of: "layers.0.experts.0")
        == [NeuronSlice(bits: 4, neurons: 32), NeuronSlice(bits: 2, neurons: 64)])
    #expect(try self.plan("{\"plan\": \(text)}") == plan)
    #expect(try NeuronPlan(json: plan.json(), for: table()) == plan)
  }

  @Test("loss and bits are those of the first neurons in rank order")
  func prediction() throws {
    let plan = try plan(
      """
      {"layers.0.experts.0": [{"bits": 4, "neurons": 32}, {"bits": 2, "neurons": 64}],
       "layers.0.experts.1": [{"bits": 3, "neurons": 64}, {"bits": 2, "neurons": 6}]}
      """)
    // Ranks are from the last neuron: 32 of expert 0 lose nothing, its neurons 0 ..< 64 lose 4 (j + 1);
    // expert 1 has neurons 6 ..< 70 at j + 1 and 0 ..< 6 at 4 (j + 1).
    let expected = 4 * Self.sum(1...64) + Self.sum(7...70) + 4 * Self.sum(1...6)
    #expect(try table().loss(of: plan) == Double(expected))
    let bits = 4 * 32 + 2 * 64 + 3 * 64 + 2 * 6
    #expect(try table().meanBits(of: plan) == Double(bits) / 166)
  }

  private static func sum(_ values: ClosedRange<Int>) -> Int { values.reduce(0, +) }

  static let refusals: [(String, NeuronPlanError)] = [
    ("{\"layers.0.experts.0\": [{\"bits\": 2, \"neurons\": 96}]}", .unitWithoutPlan(second)),
    ("{\"layers.0.expert.1\": []}", .unknownUnit("layers.0.expert.1", nearest: second)),
    (
      with("[{\"bits\": 5, \"neurons\": 70}]"),
      .unknownBits(unit: second, bits: 5, known: [2, 3, 4])
    ),
    (
      with("[{\"bits\": 4, \"neurons\": 32}, {\"bits\": 2, \"neurons\": 32}]"),
      .wrongSum(unit: second, neurons: 64, expected: 70)
    ),
    (with("[]"), .wrongSum(unit: second, neurons: 0, expected: 70)),
    (
      with("[{\"bits\": 4, \"neurons\": 40}, {\"bits\": 2, \"neurons\": 30}]"),
      .brokenBlock(unit: second, neurons: 40, blockSize: 32)
    ),
    (
      with("[{\"bits\": 2, \"neurons\": 32}, {\"bits\": 4, \"neurons\": 38}]"),
      .notFalling(unit: second, bits: 4)
    ),
    (
      with("[{\"bits\": 4, \"neurons\": 0}, {\"bits\": 2, \"neurons\": 70}]"),
      .badCount(unit: second, bits: 4, neurons: 0)
    ),
    (
      with("[{\"bits\": 4, \"neurons\": 9007199254740991}]"),
      .badCount(unit: second, bits: 4, neurons: 9_007_199_254_740_991)
    ),
  ]
  static let second = "layers.0.experts.1"
  static func with(_ slices: String) -> String {
    "{\"layers.0.experts.0\": [{\"bits\": 2, \"neurons\": 96}], \"\(second)\": \(slices)}"
  }

  @Test("a plan that does not fit the table is refused with the expert", arguments: refusals)
  func refuses(json: String, error: NeuronPlanError) {
    #expect(throws: error) { try plan(json) }
  }

  @Test("JSON of another form is refused with its place")
  func wrongForm() {
    #expect(
      throws: TableError.wrongType(path: "/\(Self.second)/0/bits", expected: "a whole number")
    ) { try plan(Self.with("[{\"bits\": 2.5, \"neurons\": 70}]")) }
    #expect(throws: TableError.missingKey("neurons", path: "/\(Self.second)/0")) {
      try plan(Self.with("[{\"bits\": 2}]"))
    }
    #expect(
      throws: TableError.unknownKey(
        "neuron", path: "/\(Self.second)/0", nearest: "neurons", allowed: ["bits", "neurons"])
    ) { try plan(Self.with("[{\"bits\": 2, \"neuron\": 70}]")) }
    #expect(throws: TableError.wrongType(path: "/", expected: "an object")) { try plan("[]") }
  }

  @Test("tables that make no sense are refused")
  func tableRefusals() {
    func expert(_ loss: [Float], _ order: [Int32], weights: Int = 3) -> NeuronTable.Expert {
      NeuronTable.Expert(
        id: "e", layer: 0, weightsPerNeuron: weights, loss: loss, order: order)
    }
    func check(_ error: NeuronTableError, bits: [Int] = [2, 4], _ experts: [NeuronTable.Expert]) {
      #expect(throws: error) { try NeuronTable(bits: bits, experts: experts) }
    }
    let good = expert([1, 0, 1, 0], [1, 0])
    check(.badBits([4, 2]), bits: [4, 2], [good])
    check(.badBits([0, 2]), bits: [0, 2], [good])
    check(.badBits([]), bits: [], [good])
    check(.noExperts, [])
    check(.duplicateExpert("e"), [good, good])
    check(.noWeights(expert: "e", neurons: 0, weightsPerNeuron: 3), [expert([], [])])
    check(
      .noWeights(expert: "e", neurons: 2, weightsPerNeuron: 0),
      [expert([1, 0, 1, 0], [1, 0], weights: 0)])
    check(
      .wrongLossCount(expert: "e", found: 3, neurons: 2, bits: 2), [expert([1, 0, 1], [1, 0])])
    check(
      .badLoss(expert: "e", neuron: 1, bits: 2, value: -1), [expert([1, 0, -1, 0], [1, 0])])
    check(
      .badLoss(expert: "e", neuron: 0, bits: 4, value: .infinity),
      [expert([1, .infinity, 1, 0], [1, 0])])
    check(.notAnOrder(expert: "e", neuron: 1), [expert([1, 0, 1, 0], [1, 1])])
    check(.notAnOrder(expert: "e", neuron: -1), [expert([1, 0, 1, 0], [-1, 0])])
  }
}
