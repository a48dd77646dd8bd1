import Foundation
import JSON
import Testing

@testable import Experiments

@Suite("Stages of gradients")
struct GradientStageTests {
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  private func point(_ allocation: String) throws -> PointParameters {
    let text = """
      {"model": {"path": "reference-model"},
       "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
       "quantizer": {"method": "rtn"}, "allocation": \(allocation),
       "evaluation": {"tasks": {"stories": "reference-model/items/stories.jsonl"}}}
      """
    return try PointParameters(json: JSONParser.parse(text), folder: Self.experiments)
  }

  private func stages(_ allocation: String) throws -> [Stage] {
    try ModelPipeline().stages(for: point(allocation), seeds: [:])
  }

  @Test("gradients are computed where an allocator reads them, and only what it reads")
  func names() throws {
    let plain = try stages(#"{"allocator": "exact"}"#)
    #expect(!plain.contains { $0.name == GradientStage.name })
    let cases = [
      (#"{"allocator": "exact", "scale": "gradient"}"#, false, true),
      (#"{"allocator": "exact", "sensitivity": "fisher"}"#, true, false),
      (
        #"{"allocator": "greedy", "sensitivity": "fisher-condition", "scale": "gradient"}"#, true,
        true
      ),
    ]
    for (allocation, fisher, slopes) in cases {
      let stages = try stages(allocation)
      let gradients = try #require(stages.first { $0.name == GradientStage.name })
      #expect(gradients.parameters["fisher"] == JSONValue(fisher))
      #expect(gradients.parameters["outputSlopes"] == JSONValue(slopes))
      #expect(gradients.parameters["compute"] == nil)
      let measure = try #require(stages.first { $0.name == MeasureStage.name })
      #expect(measure.inputs["gradients"] != nil)
    }
    // A plan that reads no losses needs no gradient.
    let uniform = try stages(#"{"allocator": "uniform", "scale": "gradient"}"#)
    #expect(!uniform.contains { $0.name == GradientStage.name })
  }

  @Test("factors beside scale gradient are refused at their place")
  func factors() throws {
    let error = #expect(throws: SpecError.self) {
      try point(#"{"allocator": "exact", "scale": "gradient", "factors": {"frequency": 1}}"#)
    }
    #expect(error?.pointer == JSONPointer(["allocation", "factors"]))
  }
}
