import Foundation
import JSON
import Testing

@testable import Experiments

/// The real pipeline on the reference model, small.
@Suite("Searches on measured fitness, from spec to result")
struct MeasuredSearchTests {
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  private func run(_ allocation: String, method: String) throws -> (RunResult, plan: JSONValue) {
    let root = URL.temporaryDirectory.appending(path: "assay-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let text = """
      {"schemaVersion": 1, "name": "trial", "base": {
        "model": {"path": "reference-model"}, "compute": "f32",
        "calibration": {
          "corpus": "reference-model/calibration.mixed.txt", "sequences": 4, "context": 64},
        "quantizer": {"method": "\(method)", "groupSize": 64},
        "allocation": {\(allocation), "levels": [2, 4], "fitness": "measured",
          "search": {"generations": 2, "population": 4, "parents": 2, "elitism": 1},
          "fitnessText": {"corpus": "reference-model/text/validation.stories.txt",
            "sequences": 2, "selectionSequences": 2, "context": 64}},
        "budget": {"experts": 3},
        "evaluation": {"perplexity": {
          "corpora": {"stories": "reference-model/text/test.stories.txt"}, "context": 256}}}}
      """
    let spec = try ExperimentSpec(
      document: try JSONParser.parse(text), folder: Self.experiments)
    let engine = Engine(
      workspace: Workspace(root: root.appending(path: ".assay")), pipeline: ModelPipeline())
    let summary = try engine.run(spec, options: RunOptions()) { _ in }
    #expect(summary.failed == 0)
    let result = try #require(try engine.results(of: spec).first?.result)
    let allocate = try #require(result.stages.first { $0.name == "allocate" })
    let file = engine.workspace.artifacts.appending(path: "allocate/\(allocate.key)/plan.json")
    return (result, try JSONParser.parse(Data(contentsOf: file)))
  }

  private func fitness(_ result: RunResult) -> [String: Double] {
    Dictionary(
      uniqueKeysWithValues: result.outcome.metrics.filter { $0.definition.name == "fitness" }
        .map { ($0.definition.scope, $0.value ?? .nan) })
  }

  @Test("experts: the model put together is the one that is quantized")
  func experts() throws {
    let (result, plan) = try run(#""allocator": "evolutionary""#, method: "rtn")
    let values = fitness(result)
    for tokens in ["search", "selection"] {
      let (assembled, real) = (
        try #require(values[tokens]), try #require(values["\(tokens), requantized"])
      )
      #expect(assembled > 0 && assembled == real, "rounding to nearest knows no neighbours")
    }
    let search = try #require(plan["search"])
    #expect(search["generations"]?.arrayValue?.count == 3)
    let rivals = (search["rivals"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
    #expect(rivals == ["exact", "evolutionary from the exact plan", "random-search"])
    let cost = try #require(result.stages.first { $0.name == "allocate" })
    #expect((cost.forwardTokens ?? 0) > 4 * 64)
  }

  @Test("neurons: slices of every expert, whose real quantization stands beside")
  func neurons() throws {
    let (result, plan) = try run(
      #""allocator": "evolutionary", "granularity": "neuron", "blockSize": 32"#, method: "gptq")
    let values = fitness(result)
    for tokens in ["search", "selection"] {
      let (assembled, real) = (
        try #require(values[tokens]), try #require(values["\(tokens), requantized"])
      )
      #expect(assembled > 0 && real > 0 && assembled != real)
      // GPTQ in slice order and groups that restart change the model, not its kind.
      #expect(real < 5 * assembled && assembled < 5 * real, "\(assembled), \(real)")
    }
    let members = try #require(plan["plan"]?.objectValue?.members)
    #expect(!members.isEmpty)
    #expect(
      members.contains { ($0.1.arrayValue ?? []).count == 2 }, "no expert has both levels")
    #expect((result.outcome.ledgers["expert-code-bits"] ?? 9) <= 3)
  }

  @Test("what a measured or neuron allocation cannot be is refused with place and remedy")
  func refusals() throws {
    for (allocation, pointer, words) in [
      (#"{"allocator": "exact", "fitness": "measured"}"#, "/fitness", "Only searches measure"),
      (#"{"allocator": "evolutionary", "fitness": "measured"}"#, "", "fitnessText"),
      (
        #"{"allocator": "exact", "granularity": "projection", "levels": "paper"}"#, "/levels",
        "use granularity expert or layer"
      ),
      (
        #"{"allocator": "exact", "granularity": "neuron", "levels": [2, 2.5, 3]}"#, "/levels",
        "half levels are made of neurons"
      ),
      (
        #"{"allocator": "exact", "granularity": "neuron", "sensitivity": "weight-mse"}"#,
        "/granularity", "leave sensitivity"
      ),
      (
        #"{"allocator": "frequency", "granularity": "neuron"}"#, "/allocator", "use uniform"
      ),
      (
        #"{"allocator": "exact", "granularity": "layer", "sensitivity": "expert-output"}"#,
        "/sensitivity", "not of whole layers"
      ),
      (#"{"allocator": "exact", "floor": 4, "ceiling": 2}"#, "/floor", "above the ceiling"),
      (#"{"allocator": "exat"}"#, "/allocator", "exact"),
      (#"{"allocator": "exact", "levels": [0]}"#, "/levels", "1"),
      (#"{"allocator": "exact", "serch": {}}"#, "/serch", "search"),
      (#"{"allocator": "evolutionary", "search": {"population": 1}}"#, "/search/population", "2"),
    ] {
      let base = """
        {"model": {"path": "m"}, "calibration": {"corpus": "c"}, "quantizer": {"method": "rtn"},
         "allocation": \(allocation), "evaluation": {"tasks": {"t": "t.jsonl"}}}
        """
      let error = #expect(throws: SpecError.self, "\(allocation)") {
        // Not the points themselves: a failed expectation would print them.
        _ = try ExperimentSpec(
          document: try JSONParser.parse(
            #"{"schemaVersion": 1, "name": "trial", "base": \#(base)}"#),
          folder: Self.experiments
        ).points().count
      }
      let text = "\(error.map { "\($0)" } ?? "")"
      #expect(text.contains("/base/allocation\(pointer)") && text.contains(words), "\(text)")
    }
  }
}
