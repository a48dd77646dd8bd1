import Foundation
import JSON
import Testing

@testable import Experiments

@Suite("Stages of quantizers that read tokens")
struct LearningStageTests {
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  private func stages(_ quantizer: String, levels: String = "[2, 3, 4]") throws -> [Stage] {
    let text = """
      {"model": {"path": "reference-model"},
       "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
       "quantizer": \(quantizer),
       "allocation": {"allocator": "uniform", "levels": \(levels)},
       "evaluation": {"tasks": {"stories": "reference-model/items/stories.jsonl"}}}
      """
    let point = try PointParameters(json: JSONParser.parse(text), folder: Self.experiments)
    return try ModelPipeline().stages(for: point, seeds: [:])
  }

  private func quantize(_ stages: [Stage]) throws -> Stage {
    try #require(stages.first { $0.name == QuantizeStage.name })
  }

  @Test("OmniQuant reads the calibration's statistics only where neurons have ranks")
  func ranks() throws {
    let whole = try stages(#"{"method": "omniquant"}"#)
    #expect(!whole.contains { $0.name == CalibrateStage.name })
    #expect(try quantize(whole).inputs["calibration"] == nil)
    let halves = try stages(#"{"method": "omniquant"}"#, levels: #""paper""#)
    #expect(halves.contains { $0.name == CalibrateStage.name })
    #expect(try quantize(halves).inputs["calibration"] != nil)
    for stages in [whole, halves] {
      #expect(try quantize(stages).parameters["calibration"] != nil, "windows are in the key")
    }
  }

  @Test("the published axis has its windows in the key, the axis of own outputs has none")
  func axes() throws {
    let own = try stages(#"{"method": "rtn", "axis": "adaptive"}"#)
    #expect(own.contains { $0.name == CalibrateStage.name })
    #expect(try quantize(own).parameters["axisSample"] == nil)
    let published = try stages(#"{"method": "rtn", "axis": "adadim"}"#)
    #expect(!published.contains { $0.name == CalibrateStage.name })
    #expect(try quantize(published).parameters["axisSample"] != nil)
  }

  @Test("an axis is refused where neurons of an expert get different bits")
  func refused() throws {
    for axis in ["adaptive", "adadim"] {
      let error = #expect(throws: SpecError.self) {
        try stages(#"{"method": "rtn", "axis": "\#(axis)"}"#, levels: #""paper""#)
      }
      #expect(error?.pointer == JSONPointer(["quantizer", "axis"]))
    }
  }

  private func point(_ quantizer: String, _ others: String) throws -> PointParameters {
    let text = """
      {"model": {"path": "reference-model"},
       "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
       "quantizer": \(quantizer), \(others),
       "evaluation": {"tasks": {"stories": "reference-model/items/stories.jsonl"}}}
      """
    return try PointParameters(json: JSONParser.parse(text), folder: Self.experiments)
  }

  private static let structure =
    #""structure": {"text": {"corpus": ["reference-model/text/validation.stories.txt"]}}"#

  @Test(
    "each level of a structure judges axes on the calibration's windows, as the plan's model does")
  func axisOfStructure() throws {
    let stages = try ModelPipeline().stages(
      for: point(#"{"method": "rtn", "axis": "adadim"}"#, Self.structure), seeds: [:])
    let whole = try quantize(stages)
    for bits in [2, 3, 4] {
      let level = try #require(stages.first { $0.name == StructureStage.level(bits) })
      #expect(level.parameters["axisSample"] == whole.parameters["axisSample"])
      #expect(level.parameters["axisSample"] != nil)
      #expect(level.inputs.keys.contains { $0.hasPrefix("corpus") }, "\(level.inputs.keys)")
    }
  }

  @Test(
    "what a structure cannot measure is refused when the point is read",
    arguments: [
      (#"{"method": "omniquant"}"#, #""allocation": {}"#, ["quantizer", "method"], "squeezellm"),
      (
        #"{"method": "gptq"}"#, #""allocation": {"allocator": "exact", "scale": "gradient"}"#,
        ["allocation", "scale"], "residual"
      ),
    ])
  func refusedByStructure(
    quantizer: String, allocation: String, pointer: [String], remedy: String
  ) throws {
    _ = try point(quantizer, allocation)
    let error = #expect(throws: SpecError.self) {
      try point(quantizer, "\(allocation), \(Self.structure)")
    }
    #expect(error?.pointer == JSONPointer(pointer))
    #expect(error?.description.contains(remedy) ?? false)
  }

  @Test("a quantizer that weighs tokens by routing needs a calibration that keeps such sums")
  func routingWeights() throws {
    let quantizer = #"{"method": "gptq", "routingWeighted": true}"#
    let error = #expect(throws: SpecError.self) { try point(quantizer, #""allocation": {}"#) }
    #expect(error?.pointer == JSONPointer(["quantizer", "routingWeighted"]))
    let json = try JSONParser.parse(
      """
      {"model": {"path": "reference-model"}, "quantizer": \(quantizer),
       "calibration": {"corpus": "reference-model/calibration.mixed.txt", "routingWeighted": true},
       "evaluation": {"tasks": {"stories": "reference-model/items/stories.jsonl"}}}
      """)
    #expect(throws: Never.self) { try PointParameters(json: json, folder: Self.experiments) }
  }

  @Test(
    "no loss is made of gradients for allocators that read none",
    arguments: [
      #"{"sensitivity": "fisher", "allocator": "X"}"#, #"{"scale": "gradient", "allocator": "X"}"#,
    ])
  func gradientsUnread(allocation: String) throws {
    func stages(_ allocator: String) throws -> [Stage] {
      let allocation = allocation.replacingOccurrences(of: "X", with: allocator)
      return try ModelPipeline().stages(
        for: point(#"{"method": "gptq"}"#, #""allocation": \#(allocation)"#), seeds: [:])
    }
    let (read, unread) = (try stages("exact"), try stages("uniform"))
    #expect(read.contains { $0.name == GradientStage.name })
    #expect(!unread.contains { $0.name == GradientStage.name })
    func table(_ stages: [Stage]) throws -> String {
      let measure = try #require(stages.first { $0.name == MeasureStage.name })
      return CanonicalJSON.text(measure.parameters)
    }
    for word in ["fisher", "gradient"] { #expect(try !table(unread).contains(word)) }
    #expect(try ["fisher", "gradient"].contains { try table(read).contains($0) })
  }
}
