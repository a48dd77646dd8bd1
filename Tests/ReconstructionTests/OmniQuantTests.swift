import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Reconstruction

@Suite("OmniQuant")
struct OmniQuantTests {
  private func quantize(
    _ model: TinyMixtral, _ options: OmniQuantOptions, into name: String, bits: Int = 2,
    recovery: URL? = nil
  ) throws -> (QuantizedCheckpoint, [ModuleReport]) {
    let folder = try model.subfolder(name)
    let sample = try CalibrationSample(
      text: ("golden", model.tokens), count: 4, context: 30, seed: 0)
    let reports = try ModelQuantizer(
      model.checkpoint,
      method: QuantizationMethod(
        solver: .omniQuant(options), grids: GridFamily(groupSize: 16, symmetric: false)),
      calibration: nil,
      stream: QuantizedStream(sample: sample, options: CalibrationOptions(), precision: .f32),
      recovery: recovery
    ) { $0.unit == nil ? .bits(4) : .bits(bits) }.write(to: folder)
    return (try QuantizedCheckpoint(folder), reports)
  }

  @Test("without epochs it is rounding to nearest with the start's clip")
  func start() throws {
    let model = try TinyMixtral()
    let (checkpoint, reports) = try quantize(model, OmniQuantOptions(epochs: 0), into: "start")
    let grid = try AffineGrid(bits: 2, groupSize: 16, symmetric: false)
    for module in model.checkpoint.configuration.linearModules(layer: 1) where module.unit != nil {
      let weights = try model.checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      let clipping = LearnedClipping(grid: grid, rows: module.rows, columns: module.columns)
      #expect(
        try checkpoint.matrix(module.tensor, rows: module.rows, columns: module.columns)
          == clipping.rounded(weights, on: grid))
    }
    #expect(reports.allSatisfy { $0.training?.startLoss == $0.training?.endLoss })
  }

  @Test("learning comes nearer to the full-precision layer, with scales and without")
  func learns() throws {
    let model = try TinyMixtral()
    for (index, equivalent) in [false, true].enumerated() {
      let (_, reports) = try quantize(
        model, OmniQuantOptions(epochs: 15, clippingRate: 0.05, equivalent: equivalent),
        into: "learned-\(index)")
      for report in reports {
        let training = try #require(report.training)
        #expect(training.endLoss <= training.startLoss)
      }
      let first = try #require(reports.first?.training)
      #expect(first.kept == nil && first.endLoss < 0.99 * first.startLoss, "\(first)")
      #expect(reports.filter { $0.unit == nil }.allSatisfy { $0.training?.steps == 60 })
      #expect(reports.allSatisfy { ($0.training?.steps ?? 99) <= 60 })
    }
  }

  @Test("scales alone change no function: at 8 bits the folded model is the full-precision one")
  func equivalence() throws {
    let model = try TinyMixtral()
    let (checkpoint, _) = try quantize(
      model, OmniQuantOptions(epochs: 0, equivalent: true), into: "folded", bits: 8)
    let norm = "model.layers.0.post_attention_layernorm.weight"
    let hidden = checkpoint.configuration.hiddenSize
    #expect(
      try checkpoint.vector(norm, count: hidden)
        != model.checkpoint.vector(norm, count: hidden), "nothing was folded")
    let (plain, _) = try quantize(model, OmniQuantOptions(epochs: 0), into: "plain", bits: 8)
    func logits(_ source: some WeightSource) throws -> [Float] {
      let pass = try ForwardPass([Array(model.tokens.prefix(40))], source: source, precision: .f32)
      try pass.runLayers()
      var result: [Float] = []
      try pass.forEachLogits { _, rows, values in
        result += UnsafeBufferPointer(
          start: values, count: rows * source.configuration.vocabularySize)
      }
      return result
    }
    let (full, folded, unfolded) = (
      try logits(model.checkpoint), try logits(checkpoint), try logits(plain)
    )
    func distance(_ a: [Float]) -> Float {
      zip(a, full).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    // Both lose what 8 bits of experts and 4 of attention lose; a wrong fold would lose everything.
    #expect(distance(folded) < 3 * distance(unfolded), "\(distance(folded)), \(distance(unfolded))")
  }

  @Test("what finished layers have learned is taken over, and the result is the same")
  func resumes() throws {
    let model = try TinyMixtral()
    let recovery = try model.subfolder("recovery")
    let options = OmniQuantOptions(epochs: 2)
    let (whole, reports) = try quantize(model, options, into: "whole", recovery: recovery)
    let kept = recovery.appending(path: "omniquant-0.plist")
    #expect(FileManager.default.fileExists(atPath: kept.path))
    try FileManager.default.removeItem(at: recovery.appending(path: "omniquant-1.plist"))
    let (resumed, again) = try quantize(model, options, into: "resumed", recovery: recovery)
    #expect(again == reports)
    for module in model.checkpoint.configuration.linearModules(layer: 1) {
      #expect(
        try whole.matrix(module.tensor, rows: module.rows, columns: module.columns)
          == resumed.matrix(module.tensor, rows: module.rows, columns: module.columns))
    }
  }

  @Test("a loss that is not finite ends its layer, is named, and keeps the others")
  func notFinite() throws {
    let model = try TinyMixtral()
    let (checkpoint, reports) = try quantize(
      model, OmniQuantOptions(epochs: 2, scalingRate: 1e30, equivalent: true), into: "diverged")
    #expect(reports.allSatisfy { $0.training?.endLoss.isFinite ?? false })
    #expect(reports.contains { $0.training?.kept != nil })
    let module = model.checkpoint.configuration.linearModules(layer: 0)[0]
    #expect(
      try checkpoint.matrix(module.tensor, rows: module.rows, columns: module.columns)
        .firstNonFinite == nil)
  }
}
