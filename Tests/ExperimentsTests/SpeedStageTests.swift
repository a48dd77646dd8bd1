import Evaluation
import Foundation
import JSON
import Testing

@testable import Experiments

/// The real pipeline on the reference model, small.
@Suite("Speed, from spec to index")
struct SpeedStageTests {
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  private func spec(_ quantizer: String, speed: String) throws -> ExperimentSpec {
    let text = """
      {"schemaVersion": 1, "name": "trial", "base": {
        "model": {"path": "reference-model"}, "compute": "f32",
        "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
        "quantizer": \(quantizer),
        "allocation": {"allocator": "uniform", "levels": [3]}, "budget": {"experts": 3},
        "evaluation": {"speed": \(speed)}}}
      """
    return try ExperimentSpec(document: try JSONParser.parse(text), folder: Self.experiments)
  }

  private func withEngine<Result>(_ body: (Engine) throws -> Result) throws -> Result {
    let root = URL.temporaryDirectory.appending(path: "assay-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    return try body(
      Engine(
        workspace: Workspace(root: root.appending(path: ".assay")), pipeline: ModelPipeline()))
  }

  private static let short =
    #"{"promptTokens": 8, "steps": 4, "repeats": 6, "uniformBits": 3}"#

  @Test("medians with intervals reach the results and the index, and are measured once")
  func results() throws {
    let spec = try spec(#"{"method": "rtn"}"#, speed: Self.short)
    try withEngine { engine in
      #expect(try engine.run(spec, options: RunOptions()) { _ in }.failed == 0)
      let result = try #require(try engine.results(of: spec).first?.result)
      let parameters = try #require(spec.runs(with: ModelPipeline()).first?.point.parameters)
      let speed = try #require(parameters.evaluation.speed)
      let names = Set(result.outcome.metrics.map(\.definition.name))
      #expect(names == Set(BenchStage.metricNames(speed)))
      for metric in result.outcome.metrics {
        let value = try #require(metric.value)
        #expect(value > 0)
        guard let interval = metric.interval else { continue }
        #expect(metric.items == 6 && interval.lower <= value && value <= interval.upper)
      }
      #expect(result.outcome.metrics.count { $0.interval != nil } == 7)
      #expect(result.outcome.facts["speed-mode"] == "packed+f32")
      #expect(result.stages.map(\.name).suffix(2) == ["bench-uniform", "bench"])
      let rows = try Index(engine.workspace).results(of: "trial")
      for row in try #require(rows.first).metrics {
        let metric = try #require(
          result.outcome.metrics.first { $0.definition.name == row.name })
        #expect(row.low == metric.interval?.lower && row.high == metric.interval?.upper)
      }
      #expect(try engine.run(spec, options: RunOptions()) { _ in }.stagesBuilt == 0)
      #expect(try engine.reindex() == 1)
      #expect(try Index(engine.workspace).results(of: "trial") == rows)
    }
  }

  @Test("full precision is timed alone")
  func fullPrecision() throws {
    let spec = try spec("null", speed: Self.short)
    try withEngine { engine in
      #expect(try engine.run(spec, options: RunOptions()) { _ in }.failed == 0)
      let result = try #require(try engine.results(of: spec).first?.result)
      #expect(!result.outcome.metrics.isEmpty)
      #expect(!result.outcome.metrics.contains { $0.definition.name.contains("speedup") })
      #expect(result.outcome.facts["speed-mode"] == "f32")
    }
  }

  @Test("another machine measures anew, and its numbers get a column of their own")
  func machines() throws {
    let spec = try spec(#"{"method": "rtn"}"#, speed: Self.short)
    let point = try #require(try spec.runs(with: ModelPipeline()).first?.point.parameters)
    let speed = try #require(point.evaluation.speed)
    let model = point.url(point.model.path)
    func parameters(_ machine: SpeedMachine) throws -> JSONValue {
      try BenchStage(speed, compute: .f32, machine: machine, host: .threads)
        .stage(model: model, isQuantized: true).parameters
    }
    let here = SpeedMachine.current
    #expect(here.threads > 0 && !here.host.isEmpty && here.cpu != "unknown")
    var others = [here, here, here]
    others[0].host += "-2"
    others[1].threads += 1
    others[2].cpu = "another one"
    #expect(try parameters(here) == parameters(.current))
    for other in others { #expect(try parameters(other) != parameters(here)) }
    #expect(others[0].json == here.json && others[1].json != here.json)
  }

  @Test("8-bit activations are an arithmetic of evaluation and speed, kept apart from others")
  func activations() throws {
    func stages(_ compute: String, quantizer: String) throws -> [String: Stage] {
      let text = """
        {"model": {"path": "reference-model"}, "compute": "\(compute)",
         "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
         "quantizer": \(quantizer), "evaluation": {"speed": \(Self.short)}}
        """
      let point = try PointParameters(json: JSONParser.parse(text), folder: Self.experiments)
      let stages = try ModelPipeline().stages(for: point, seeds: [:])
      return Dictionary(uniqueKeysWithValues: stages.map { ($0.name, $0) })
    }
    let gptq = #"{"method": "gptq"}"#
    let (exact, rounded) = (
      try stages("f32", quantizer: gptq), try stages("int8-activations", quantizer: gptq)
    )
    for name in ["evaluate", "bench"] {
      #expect(exact[name]?.parameters["compute"] == "f32")
      #expect(rounded[name]?.parameters["compute"] == "int8-activations")
    }
    for name in ["calibrate", "measure", "allocate", "quantize", "bench-uniform"] {
      let stage = try #require(exact[name])
      #expect(rounded[name]?.parameters == stage.parameters, "\(name)")
    }
    let full = try stages("int8-activations", quantizer: "null")
    #expect(full["evaluate"]?.parameters["compute"] == "f32")
    #expect(full["bench"]?.parameters["compute"] == "f32")
  }

  @Test("a prompt longer than the model takes is found before anything runs")
  func tooLong() throws {
    let spec = try spec(#"{"method": "rtn"}"#, speed: #"{"promptTokens": 1000000}"#)
    let points = try spec.runs(with: ModelPipeline()).map(\.point.parameters)
    let problems = ModelPipeline().problems(in: points).flatMap(\.self)
    #expect(problems.contains { $0.pointer == JSONPointer(["evaluation", "speed"]) })
  }
}
