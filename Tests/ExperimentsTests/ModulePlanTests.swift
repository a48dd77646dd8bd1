import BitAllocation
import Checkpoints
import Foundation
import MoEModels
import Reconstruction
import Testing

@testable import Experiments

@Suite("Plans as levels of modules")
final class ModulePlanTests {
  private let configuration: ModelConfiguration
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "plans-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let json = #"""
      {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 32,
       "intermediate_size": 70, "num_hidden_layers": 1, "num_attention_heads": 2,
       "num_key_value_heads": 1, "num_local_experts": 2, "num_experts_per_tok": 1,
       "vocab_size": 16, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
       "hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": false}
      """#
    let url = folder.appending(path: "config.json")
    try Data(json.utf8).write(to: url)
    configuration = try ModelConfiguration(url)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func plan(_ json: String) throws -> ModulePlan {
    let url = folder.appending(path: "plan-\(UUID()).json")
    try Data(json.utf8).write(to: url)
    return try ModulePlan(url, for: configuration)
  }

  private func level(
    of projection: Projection, expert: Int, in plan: ModulePlan
  ) throws -> ModuleLevel? {
    let module = try #require(
      configuration.linearModules(layer: 0).first {
        $0.projection == projection && $0.expert == expert
      })
    return try plan.level(of: module)
  }

  private func message(_ json: String) -> String {
    let error = #expect(throws: QuantizeStageError.self) { try plan(json) }
    return error?.description ?? ""
  }

  @Test("a half level is half of the blocks at one bit more, for all three matrices alike")
  func halfLevels() throws {
    let plan = try plan(
      #"{"plan": {"layers.0.experts.0": 2.5, "layers.0.experts.1": 3}, "neuronBlocks": {"size": 16}}"#
    )
    // 70 neurons are five blocks, of which the odd one goes to the lower bits.
    let expected = ModuleLevel.slices(
      NeuronSplit([.init(bits: 3, neurons: 32), .init(bits: 2, neurons: 38)]))
    for projection in [Projection.gate, .up, .down] {
      #expect(try level(of: projection, expert: 0, in: plan) == expected)
      #expect(try level(of: projection, expert: 1, in: plan) == .bits(3))
    }
    #expect(!plan.hasSlices)
  }

  @Test("a mix is what the plan says it is")
  func mixes() throws {
    let plan = try plan(
      #"{"plan": {"layers.0.experts": 2.5}, "neuronBlocks": {"size": 7, "mixes": [{"4": 0.25, "2": 0.75}]}}"#
    )
    // A quarter of ten blocks, rounded down.
    #expect(
      try level(of: .down, expert: 1, in: plan)
        == .slices(NeuronSplit([.init(bits: 4, neurons: 14), .init(bits: 2, neurons: 56)])))
  }

  @Test("slices of neurons carry the bits that rank them")
  func slices() throws {
    let plan = try plan(
      #"""
      {"plan": {"layers.0.experts.0": [{"bits": 3, "neurons": 32}, {"bits": 2, "neurons": 38}],
                "layers.0.experts.1": [{"bits": 2, "neurons": 70}]}, "rank": [2, 4]}
      """#)
    #expect(
      try level(of: .gate, expert: 0, in: plan)
        == .slices(
          NeuronSplit([.init(bits: 3, neurons: 32), .init(bits: 2, neurons: 38)], rank: 2...4)))
    #expect(try level(of: .up, expert: 1, in: plan) == .bits(2))
    #expect(plan.hasSlices)
  }

  @Test(
    "levels that a module cannot have are refused by unit, with what is wrong",
    arguments: [
      (
        #"{"layers.0.experts.0": [{"bits": 3, "neurons": 32}], "layers.0.experts.1": 2}"#,
        "'layers.0.experts.0' sum to 32 neurons; the model's expert has 70"
      ),
      (
        #"{"layers.0.experts.0": [{"bits": 2, "neurons": 32}, {"bits": 3, "neurons": 38}], "layers.0.experts.1": 2}"#,
        "Expert layers.0.experts.0 lists 3 bits after as many or fewer"
      ),
      (
        #"{"layers.0.experts.0": [{"bits": 9, "neurons": 70}], "layers.0.experts.1": 2}"#,
        "/layers.0.experts.0/0"
      ),
      (
        #"{"layers.0.experts.0.gate": 2.5, "layers.0.experts.0.up": 2, "layers.0.experts.0.down": 2, "layers.0.experts.1": 2}"#,
        "'layers.0.experts.0.gate' gets 2.5 bits"
      ),
      (#"{"layers.0.experts.0": 2.25, "layers.0.experts.1": 2}"#, "2.25 bits are neither whole"),
      (#"{"layers.0.experts.0": 2}"#, "Unit layers.0.experts.1 has no level"),
      (
        #"{"layers.0.experts": 2, "layers.0.expert.1": 2}"#,
        "Unit layers.0.expert.1 is not in the table. Did you mean layers.0.experts.1?"
      ),
      (
        #"{"plan": {"layers.0.experts": 2.5}, "neuronBlocks": {"size": 0}}"#,
        "A block has at least one neuron"
      ),
      (
        #"{"plan": {"layers.0.experts": 2}, "rank": [4, 2]}"#, "rank is [4,2]"
      ),
    ])
  func refused(json: String, expected: String) {
    #expect(message(json).contains(expected), "\(message(json))")
  }
}

@Suite("What a search keeps for the case of a crash")
struct SearchRecordFileTests {
  @Test("the state comes back for the same search and seed alone")
  func roundTrip() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "search-\(UUID())")
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = SearchRecordFile(folder, of: "evolutionary", seed: 3)
    #expect(file.saved() == nil)
    var saved: [SearchState] = []
    let units = (0..<6).map { index in
      BitAllocation.Unit(
        id: "layers.0.experts.\(index)", layer: 0, expert: index, weights: 10,
        levels: [2.0, 3, 4].map {
          Level(bits: $0, loss: Double(index + 1) / $0, codeBits: 10 * $0)
        })
    }
    let problem = AllocationProblem(
      table: try SensitivityTable(units: units),
      budget: Budget(bounds: [Budget.Bound(.experts, 3)]))
    var options = SearchOptions()
    options.generations = 6
    let search = SearchAllocator("evolutionary", options: options)
    let whole = try search.allocate(
      problem, seed: 3, measured: nil,
      checkpoint: SearchCheckpoint { state in
        saved.append(state)
        if state.generation == 2 { try file.save(.init(state: state, forwardTokens: 77)) }
      })
    let found = try #require(file.saved())
    #expect(found.forwardTokens == 77)
    let state = found.state
    #expect(state == saved.first { $0.generation == 2 })
    #expect(SearchRecordFile(folder, of: "evolutionary", seed: 4).saved() == nil)
    #expect(SearchRecordFile(folder, of: "evopress", seed: 3).saved() == nil)
    let resumed = try search.allocate(
      problem, seed: 3, measured: nil, resume: state, checkpoint: nil)
    #expect(resumed == whole && resumed.search?.generations == whole.search?.generations)
    try Data("{".utf8).write(to: folder.appending(path: "search.json"))
    #expect(file.saved() == nil)
  }
}
