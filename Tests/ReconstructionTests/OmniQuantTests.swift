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
    recovery: URL? = nil, checkpoint: Checkpoint? = nil
  ) throws -> (QuantizedCheckpoint, [ModuleReport]) {
    let folder = try model.subfolder(name)
    let sample = try CalibrationSample(
      text: ("golden", model.tokens), count: 4, context: 30, seed: 0)
    let reports = try ModelQuantizer(
      checkpoint ?? model.checkpoint,
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
        #expect(try #require(training.endLoss) <= #require(training.startLoss))
      }
      let first = try #require(reports.first?.training)
      let (start, end) = (try #require(first.startLoss), try #require(first.endLoss))
      #expect(first.kept == nil && end < 0.99 * start, "\(first)")
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

  /// Scales of 1e30 leave no scale for the range after the first step.
  @Test("a loss that is not finite ends its layer, is named, and keeps the others")
  func notFinite() throws {
    let model = try TinyMixtral()
    let (checkpoint, reports) = try quantize(
      model, OmniQuantOptions(epochs: 2, scalingRate: 1e30, equivalent: true), into: "diverged")
    for report in reports {
      let training = try #require(report.training)
      let layer = try #require(training.layer)
      #expect(report.module.hasPrefix("model.layers.\(layer)."))
      #expect(training.kept == .notFinite)
      #expect(
        training.notFinite
          == "the loss of step 2: a scale of model.layers.\(layer).block_sparse_moe.experts.0.w1.weight"
      )
      #expect(training.startLoss != nil && training.endLoss == training.startLoss)
    }
    #expect(
      reports.notFiniteNotices
        == (0...1).map {
          "OmniQuant: layer \($0) stopped learning and keeps the clipping of the start: not finite is the "
            + "loss of step 2: a scale of model.layers.\($0).block_sparse_moe.experts.0.w1.weight."
        })
    let module = model.checkpoint.configuration.linearModules(layer: 0)[0]
    #expect(
      try checkpoint.matrix(module.tensor, rows: module.rows, columns: module.columns)
        .firstNonFinite == nil)
  }

  @Test(
    "a layer that is not finite before the first step keeps its start, is named, and the one before learns",
    arguments: [false, true])
  func notFiniteStart(equivalent: Bool) throws {
    let model = try TinyMixtral()
    let spoiled = try model.spoiled(
      "model.layers.1.post_attention_layernorm.weight", by: 1e30)
    let (recovery, name) = (try model.subfolder("recovery"), "spoiled")
    let options = OmniQuantOptions(epochs: 4, clippingRate: 0.05, equivalent: equivalent)
    let (checkpoint, reports) = try quantize(
      model, options, into: name, recovery: recovery, checkpoint: spoiled)
    let grid = try AffineGrid(bits: 2, groupSize: 16, symmetric: false)
    for report in reports {
      let training = try #require(report.training)
      guard training.layer == 1 else {
        #expect(training.kept == nil && training.notFinite == nil && training.endLoss != nil)
        continue
      }
      #expect(training.kept == .notFinite && training.steps == 0)
      #expect(training.notFinite == "its output in full precision")
      #expect(training.startLoss == nil && training.endLoss == nil)
      guard report.unit != nil, !equivalent else { continue }
      let shape = try spoiled.info(report.module).shape
      let weights = try spoiled.matrix(report.module, rows: shape[0], columns: shape[1])
      let start = LearnedClipping(grid: grid, rows: shape[0], columns: shape[1])
      #expect(
        try checkpoint.matrix(report.module, rows: shape[0], columns: shape[1])
          == start.rounded(weights, on: grid))
    }
    #expect(
      reports.notFiniteNotices == [
        "OmniQuant: layer 1 stopped learning and keeps the clipping of the start: not finite is its "
          + "output in full precision."
      ])
    let written = try JSONDecoder().decode(
      [ModuleReport].self, from: JSONEncoder().encode(reports))
    #expect(written == reports)
    let (_, resumed) = try quantize(
      model, options, into: "resumed", recovery: recovery, checkpoint: spoiled)
    #expect(resumed == reports)
  }

  @Test("reports tell the tokens that came to each expert, and modules that no step went through")
  func unreached() throws {
    let model = try TinyMixtral()
    // All logits of the router are equal: the tokens go to the first two experts.
    let spoiled = try model.spoiled("model.layers.0.block_sparse_moe.gate.weight", by: 0)
    let (_, reports) = try quantize(
      model, OmniQuantOptions(epochs: 1), into: "unreached", checkpoint: spoiled)
    for report in reports where report.module.hasPrefix("model.layers.0.") {
      let reached = report.unit == nil || report.unit?.last == "0" || report.unit?.last == "1"
      #expect(report.calibrationTokens == (reached ? 120 : 0), "\(report.module)")
      #expect(report.training?.steps == (reached ? 4 : 0), "\(report.module)")
      #expect(!report.hasSingularHessian)
    }
    let behind = reports.filter { $0.module.contains("layers.1.") && $0.unit != nil }
    let tokens = behind.filter { $0.module.hasSuffix("w1.weight") }.compactMap(\.calibrationTokens)
    #expect(tokens.reduce(0, +) == 2 * 120, "two experts a token")
    #expect(reports.withoutSteps == 6 && reports.learned)
    let (_, untrained) = try quantize(model, OmniQuantOptions(epochs: 0), into: "untrained")
    #expect(untrained.withoutSteps == 0 && !untrained.learned)
  }
}
