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
}
