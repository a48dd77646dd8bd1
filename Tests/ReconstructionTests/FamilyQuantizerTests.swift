import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Tensors
import Testing

/// From calibration to a packed model for every architecture, on the tiny models of MoEModelsTests.
@Suite struct FamilyQuantizerTests {
  static let families = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "MoEModelsTests/Fixtures/families")

  @Test(
    "every linear module is packed at its bits, every other tensor keeps its bytes",
    arguments: [
      "olmoe", "qwen2-moe", "qwen3-moe-fused", "mixtral-fused", "deepseek-v2",
      "deepseek-v2-groups", "llama", "qwen2",
    ])
  func packs(family: String) throws {
    let checkpoint = try Checkpoint(Self.families.appending(path: family))
    let (calibration, target) = (try TemporaryFolder(), try TemporaryFolder())
    let tokens = (0..<48).map { Int32($0 * 7 % 96) }
    try CalibrationWriter.write(
      CalibrationSample(text: ("counted", tokens), count: 1, context: 48, seed: 0),
      through: checkpoint, precision: .f32, to: calibration.url)
    let options = GPTQOptions(columns: .activation)
    let reports = try ModelQuantizer(
      checkpoint,
      method: QuantizationMethod(
        solver: .gptq(options, minimumTokens: 4), grids: GridFamily(groupSize: 8, symmetric: false)),
      calibration: calibration.url, level: { .bits($0.unit == nil ? 4 : 3) }
    ).write(to: target.url)

    let configuration = checkpoint.configuration
    let modules = (0..<configuration.layerCount).flatMap(configuration.linearModules(layer:))
    #expect(reports.map(\.module) == modules.map(\.tensor))
    let quantized = try QuantizedCheckpoint(target.url)
    for (module, report) in zip(modules, reports) {
      let packed = try #require(try quantized.packed(module.tensor))
      #expect(packed.bits == (module.unit == nil ? 4 : 3))
      #expect(packed.metadataBits == report.metadataBits)
      #expect(report.fallback == nil || (report.calibrationTokens ?? 0) < 4)
    }
    let inventory = try ModelInventory(target.url)
    #expect(inventory.unaccounted == [] && inventory.missing == [])
    #expect(inventory.parts.last?.parameters == checkpoint.parameterCount)
    let pass = try ForwardPass([tokens], source: quantized, precision: .f32)
    try pass.runLayers()
    try pass.forEachLogits { _, rows, logits in
      let values = Array(
        UnsafeBufferPointer(start: logits, count: rows * configuration.vocabularySize))
      #expect(values.allSatisfy { $0.isFinite })
    }
  }

  @Test("on the quantized stream, Hessians are those behind the quantized layers before")
  func quantizedStream() throws {
    let checkpoint = try Checkpoint(Self.families.appending(path: "qwen2"))
    let (whole, streamed, full) = (
      try TemporaryFolder(), try TemporaryFolder(), try TemporaryFolder()
    )
    let sample = try CalibrationSample(
      text: ("counted", (0..<48).map { Int32($0 * 7 % 96) }), count: 1, context: 48, seed: 0)
    let method = QuantizationMethod(
      solver: .gptq(GPTQOptions(), minimumTokens: 1),
      grids: GridFamily(groupSize: 8, symmetric: false))
    _ = try ModelQuantizer(
      checkpoint, method: method, calibration: nil,
      stream: QuantizedStream(sample: sample, options: CalibrationOptions(), precision: .f32),
      level: { _ in .bits(3) }
    ).write(to: streamed.url)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: streamed.url.path).sorted()
        == ["config.json", QuantizedCheckpoint.fileName])

    // Calibrating the finished model sees the same inputs in layer 1, its first layer being
    // quantized, and its own weights do not matter before the output of attention.
    let finished = try QuantizedCheckpoint(streamed.url)
    try CalibrationWriter.write(sample, through: finished, precision: .f32, to: whole.url)
    try CalibrationWriter.write(sample, through: checkpoint, precision: .f32, to: full.url)
    for (folder, isEqual) in [(whole, true), (full, false)] {
      let layer = try CalibrationLayer(1, in: folder.url, experts: 0)
      let hessian = try layer.sum(at: .queryKeyValue, order: 32).scaled(by: 2 / 48)
      let weights = try checkpoint.matrix(
        "model.layers.1.self_attn.q_proj.weight", rows: 32, columns: 32)
      let packed = try GPTQ(grid: method.grids.grid(bits: 3)).quantize(weights, hessian: hessian)
        .packed
      let stored = try finished.packed("model.layers.1.self_attn.q_proj.weight")
      #expect((stored == packed) == isEqual)
    }
  }

  @Test("experts with fewer tokens than asked for are rounded to nearest, and say so")
  func fewTokens() throws {
    let checkpoint = try Checkpoint(Self.families.appending(path: "olmoe"))
    let (calibration, target) = (try TemporaryFolder(), try TemporaryFolder())
    try CalibrationWriter.write(
      CalibrationSample(
        text: ("counted", (0..<40).map { Int32($0) }), count: 1, context: 40, seed: 0),
      through: checkpoint, precision: .f32, to: calibration.url)
    let reports = try ModelQuantizer(
      checkpoint,
      method: QuantizationMethod(
        solver: .gptq(GPTQOptions(), minimumTokens: 25),
        grids: GridFamily(groupSize: 8, symmetric: false)),
      calibration: calibration.url, level: { _ in .bits(3) }
    ).write(to: target.url)
    let experts = reports.filter { $0.unit != nil }
    #expect(experts.contains { ($0.calibrationTokens ?? 0) < 25 })
    for report in experts {
      let tokens = report.calibrationTokens ?? 0
      let expected: ModuleReport.Fallback? =
        switch tokens {
        case 0: .roundToNearestWithoutTokens
        case 1..<25: .roundToNearestWithFewTokens
        default: nil
        }
      #expect(report.fallback == expected, "\(report.module) with \(tokens) tokens")
    }
  }
}

/// A folder that goes with the test.
private final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}
