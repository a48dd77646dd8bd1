import Experiments
import Foundation
import JSON

/// Three cheap stages that leave a mark in `marks` each time a body runs.
struct FakePipeline: Pipeline {
  var marks: URL
  /// Called at the start of every body with the stage's name and the point.
  var before: @Sendable (String, PointParameters) throws -> Void = { _, _ in }
  /// Called after it, with what the body is given.
  var during: @Sendable (String, StageContext) throws -> Void = { _, _ in }
  var calibrateEpoch = 1

  func seedStreams(for parameters: PointParameters) -> Set<SeedStream> {
    guard let allocation = parameters.allocation else { return [] }
    return allocation.allocator == "random" ? [.calibration, .search] : [.calibration]
  }

  func stages(for parameters: PointParameters, seeds: [SeedStream: Int]) throws -> [Stage] {
    guard let calibration = parameters.calibration, let allocation = parameters.allocation else {
      return [evaluate(parameters, plan: nil)]
    }
    let calibrate = Stage(
      name: "calibrate", epoch: calibrateEpoch,
      parameters: [
        "sequences": JSONValue(calibration.sequences), "seed": JSONValue(seeds[.calibration] ?? 0),
      ],
      inputs: ["corpus": .file(parameters.url(calibration.corpus[0].path))], expectedBytes: 100,
      body: body("calibrate", parameters, seed: seeds[.calibration]))
    let allocate = Stage(
      name: "allocate", epoch: 1,
      parameters: [
        "allocator": JSONValue(allocation.allocator),
        "budget": JSONValue(parameters.budget?.experts ?? 0),
        "seed": allocation.allocator == "random" ? JSONValue(seeds[.search] ?? 0) : nil,
      ], inputs: ["calibration": .stage("calibrate")],
      body: body("allocate", parameters, seed: seeds[.search]))
    return [calibrate, allocate, evaluate(parameters, plan: .stage("allocate"))]
  }

  private func evaluate(_ parameters: PointParameters, plan: StageSource?) -> Stage {
    Stage(
      name: "evaluate", epoch: 1, parameters: parameters.json["evaluation"] ?? nil,
      inputs: plan.map { ["plan": $0] } ?? [:], body: body("evaluate", parameters, seed: nil))
  }

  private func body(
    _ name: String, _ parameters: PointParameters, seed: Int?
  ) -> @Sendable (StageContext) throws -> Void {
    let (marks, before, during) = (marks, before, during)
    return { context in
      try FileManager.default.createDirectory(at: marks, withIntermediateDirectories: true)
      try Data().write(to: marks.appending(path: "\(name).\(UUID().uuidString)"))
      try Data("half".utf8).write(to: context.directory.appending(path: "half.txt"))
      try before(name, parameters)
      try during(name, context)
      context.progress(0.5, "half")
      let inputs = try context.inputs.sorted { $0.key < $1.key }.map { role, url in
        let file = name == "calibrate" ? url : url.appending(path: "payload.json")
        return "\(role): \(try Digest.of(file: file))"
      }
      let text =
        "\(inputs) \(seed ?? 0) "
        + (name == "allocate" ? CanonicalJSON.text(parameters.json) : "")
      try Data(text.utf8).write(to: context.directory.appending(path: "payload.json"))
      try Data(#"{"forwardTokens": 7}"#.utf8)
        .write(to: context.directory.appending(path: "cost.json"))
    }
  }

  func outcome(for parameters: PointParameters, artifacts: [String: URL]) throws -> PointOutcome {
    let definition = MetricDefinition(
      name: "perplexity", scope: "test", unit: "nats", higherIsBetter: false,
      protocolParameters: ["context": 16])
    let other = MetricDefinition(
      name: "bits-per-byte", scope: "test", unit: "bits/byte", higherIsBetter: false,
      protocolParameters: ["context": 16])
    return PointOutcome(
      metrics: [
        Metric(definition: definition, value: parameters.budget?.experts ?? 16, items: 3),
        Metric(definition: other, value: .nan, items: 3),
      ],
      ledgers: ["expert-code-bits": parameters.budget?.experts ?? 16], forced: false,
      counts: ["gptq-fallbacks": 0], remarks: ["a remark"], facts: ["model-parameters": 12])
  }

  /// How often the body of a stage ran, over all processes.
  func runs(of stage: String) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: marks.path)) ?? []
    return names.count { $0.hasPrefix("\(stage).") }
  }

  var totalRuns: Int {
    ["calibrate", "allocate", "evaluate"].reduce(0) { $0 + runs(of: $1) }
  }
}
