import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Reconstruction

@Suite("OmniQuant of experts whose neurons have several bit-widths")
struct SlicedOmniQuantTests {
  private static let grids = GridFamily(groupSize: 16, symmetric: false)

  /// Even experts in slices of 4, 3 and 2 bits, the others at 3.
  private static func level(_ module: LinearModule, neurons: Int) -> ModuleLevel {
    guard let expert = module.expert, expert.isMultiple(of: 2) else { return .bits(3) }
    return .slices(
      NeuronSplit([
        NeuronSplit.Slice(bits: 4, neurons: 8), NeuronSplit.Slice(bits: 3, neurons: 16),
        NeuronSplit.Slice(bits: 2, neurons: neurons - 24),
      ]))
  }

  private func quantize(
    _ model: TinyMixtral, _ options: OmniQuantOptions, calibration: URL?, into name: String,
    recovery: URL? = nil
  ) throws -> (QuantizedCheckpoint, [ModuleReport]) {
    let neurons = model.checkpoint.configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let folder = try model.subfolder(name)
    let sample = try CalibrationSample(
      text: ("golden", model.tokens), count: 4, context: 30, seed: 0)
    let reports = try ModelQuantizer(
      model.checkpoint,
      method: QuantizationMethod(solver: .omniQuant(options), grids: Self.grids),
      calibration: calibration,
      stream: QuantizedStream(sample: sample, options: CalibrationOptions(), precision: .f32),
      recovery: recovery
    ) { Self.level($0, neurons: neurons) }.write(to: folder)
    return (try QuantizedCheckpoint(folder), reports)
  }

  @Test("without clipping it is rounding to nearest of the same slices in the same order")
  func unclipped() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let (_, modules) = model.checkpoint.configuration.gatedBlocks(layer: 1)[2]
    let neurons = modules[0].rows
    guard case .slices(let split) = Self.level(modules[0], neurons: neurons) else {
      Issue.record("no slices")
      return
    }
    let method = QuantizationMethod(
      solver: .omniQuant(OmniQuantOptions()), grids: Self.grids)
    let block = SlicedBlock(
      modules: modules, split: split, method: method,
      information: LayerInformation(
        statistics: try CalibrationLayer(1, in: calibration, experts: 4), fisher: nil))
    let weights = try block.weights(in: model.checkpoint)
    let order = try block.order(of: weights)
    #expect(order != .identity(neurons))
    let expected = try MixedExpert(
      rounding: weights, order: order, split: split.parts, family: Self.grids)
    let matrices = [
      (weights.gate, expected.gate), (weights.up, expected.up), (weights.down, expected.down),
    ]
    for (module, (weights, expected)) in zip(modules, matrices) {
      var clipped = ClippedModule(
        module, weights: weights,
        layout: .sliced(
          try split.slices.map { try Self.grids.grid(bits: $0.bits) },
          neurons: split.slices.map(\.neurons), order: order, along: expected.axis),
        rate: 0.01)
      // σ(40) is 1 in single precision.
      clipped.clippings = clipped.clippings.map { clipping in
        var clipping = clipping
        clipping.upper = clipping.upper.map { _ in 40 }
        clipping.lower = clipping.upper
        return clipping
      }
      #expect(try clipped.effective(ModuleScales()) == expected.dequantized())
      guard case .sliced(let stored) = try clipped.stored(ModuleScales()) else {
        Issue.record("\(module.tensor) is not stored in slices")
        continue
      }
      #expect(stored == expected)
    }
  }

  @Test(
    "every slice learns, the layer comes nearer to full precision, and the folder holds the slices",
    arguments: [false, true])
  func learns(equivalent: Bool) throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let recovery = try model.subfolder("recovery")
    let options = OmniQuantOptions(epochs: 15, clippingRate: 0.05, equivalent: equivalent)
    let (checkpoint, reports) = try quantize(
      model, options, calibration: calibration, into: "learned", recovery: recovery)
    let first = try #require(reports.first?.training)
    let (start, end) = (try #require(first.startLoss), try #require(first.endLoss))
    #expect(first.kept == nil && end < 0.99 * start, "\(first)")
    let sliced = reports.filter { $0.unit == "layers.0.experts.2" }
    #expect(sliced.count == 3 && sliced.allSatisfy { $0.slices?.map(\.bits) == [4, 3, 2] })
    #expect(sliced.allSatisfy { $0.neuronOrder == .calibration })
    for report in reports {
      let stored = try checkpoint.storedBits(of: report.module)
      #expect(stored.codeBits == report.codeBits && stored.metadataBits == report.metadataBits)
    }
    let inventory = try ModelInventory(model.folder.appending(path: "learned"))
    #expect(
      inventory.unaccounted.isEmpty && inventory.missing.isEmpty && inventory.misshapen.isEmpty)
    // Taken over from the recovery folder, it is the same again.
    let (again, resumed) = try quantize(
      model, options, calibration: calibration, into: "resumed", recovery: recovery)
    #expect(resumed == reports)
    for report in reports {
      let shape = try model.checkpoint.info(report.module).shape
      #expect(
        try checkpoint.matrix(report.module, rows: shape[0], columns: shape[1])
          == again.matrix(report.module, rows: shape[0], columns: shape[1]))
    }
  }

  @Test("one slope for each slice: a module in slices learns as its parts would alone")
  func parts() throws {
    let model = try TinyMixtral()
    let (_, modules) = model.checkpoint.configuration.gatedBlocks(layer: 0)[0]
    let down = modules[2]
    let weights = try model.checkpoint.matrix(down.tensor, rows: down.rows, columns: down.columns)
    let order = try NeuronOrder(Array((0..<down.columns).reversed()))
    let grids = [try Self.grids.grid(bits: 3), try Self.grids.grid(bits: 2)]
    let layout = ClippedLayout.sliced(
      grids, neurons: [40, down.columns - 40], order: order, along: .columns)
    var whole = ClippedModule(down, weights: weights, layout: layout, rate: 0.01)
    var slope = weights
    for index in slope.storage.indices { slope.storage[index] = Float(index % 7) - 3 }
    _ = try whole.learn(slope, ModuleScales())
    for (place, grid) in grids.enumerated() {
      let (part, partSlope) = (layout.split(weights)[place], layout.split(slope)[place])
      var alone = ClippedModule(
        down, weights: part, layout: .whole(grid), rate: 0.01)
      _ = try alone.learn(partSlope, ModuleScales())
      #expect(alone.clippings[0] == whole.clippings[place])
      #expect(alone.clippings[0].upper.contains { $0 != LearnedClipping.start })
    }
    #expect(layout.joined(layout.split(weights)) == weights)
  }
}
