import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Tensors
import Testing

@Suite("Quantized folders of experts whose neurons have several bit-widths")
struct SlicedQuantizerTests {
  private static let solvers: [QuantizationMethod.Solver] = [
    .roundToNearest, .gptq(GPTQOptions(), minimumTokens: 1),
    .gptq(GPTQOptions(columns: .activation), minimumTokens: 1),
  ]

  private func method(_ solver: QuantizationMethod.Solver) -> QuantizationMethod {
    QuantizationMethod(solver: solver, grids: GridFamily(groupSize: 16, symmetric: false))
  }

  /// Even experts in slices of 4, 3 and 2 bits, the others at 3.
  private func level(_ module: LinearModule, neurons: Int) -> ModuleLevel {
    guard let expert = module.expert, expert.isMultiple(of: 2) else { return .bits(3) }
    return .slices(
      NeuronSplit([
        NeuronSplit.Slice(bits: 4, neurons: 8), NeuronSplit.Slice(bits: 3, neurons: 16),
        NeuronSplit.Slice(bits: 2, neurons: neurons - 24),
      ]))
  }

  @Test("the folder gives back the expert of the quantizer, to the last digit", arguments: solvers)
  func stored(solver: QuantizationMethod.Solver) throws {
    let model = try TinyMixtral()
    let configuration = model.checkpoint.configuration
    let neurons = configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let (target, calibration) = (try model.subfolder("quantized"), try model.calibrate())
    let reports = try ModelQuantizer(
      model.checkpoint, method: method(solver), calibration: calibration
    ) { level($0, neurons: neurons) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    let (_, modules) = configuration.gatedBlocks(layer: 1)[2]
    let matrices = try modules.map {
      try model.checkpoint.matrix($0.tensor, rows: $0.rows, columns: $0.columns)
    }
    let statistics = try CalibrationLayer(1, in: calibration, experts: 4)
    let sites = try [modules[0], modules[2]].map {
      GatedMoments.Site(
        sum: try statistics.sum(at: $0.input, order: $0.columns),
        tokens: try statistics.tokens(at: $0.input))
    }
    let weights = GatedWeights(gate: matrices[0], up: matrices[1], down: matrices[2])
    let order = try NeuronLosses.order(
      of: weights, moments: GatedMoments(input: sites[0], hidden: sites[1]), rank: 2...4,
      family: method(solver).grids)
    let split = [(bits: 4, neurons: 8), (bits: 3, neurons: 16), (bits: 2, neurons: neurons - 24)]
    let expected =
      if case .gptq(let options, _, _) = solver {
        try MixedExpert.solving(
          weights, order: order, split: split, family: method(solver).grids, options: options,
          input: .hessian(sites[0].sum.scaled(by: 2 / Float(sites[0].tokens))),
          hidden: .hessian(sites[1].sum.scaled(by: 2 / Float(sites[1].tokens)))
        ).expert
      } else {
        try MixedExpert(
          rounding: weights, order: order, split: split, family: method(solver).grids)
      }
    #expect(order != .identity(neurons))
    let dequantized = expected.dequantized()
    for (module, matrix) in zip(modules, [dequantized.gate, dequantized.up, dequantized.down]) {
      #expect(
        try quantized.matrix(module.tensor, rows: module.rows, columns: module.columns) == matrix)
      #expect(try quantized.packed(module.tensor) == nil)
    }
    #expect(try quantized.sliced(modules[2].tensor) == expected.down)
    #expect(reports.map(\.module) == modulesOf(configuration).map(\.tensor))
    let mine = reports.filter { $0.unit == "layers.1.experts.2" }
    #expect(mine.reduce(0) { $0 + $1.codeBits } == expected.codeBits)
    let groupIndexBits = mine.reduce(0) { $0 + $1.metadataBits } - expected.metadataBits
    #expect(groupIndexBits == 0)
    #expect(mine.allSatisfy { $0.slices?.map(\.bits) == [4, 3, 2] })
  }

  @Test("every bit of codes and metadata that reports tell lies in the file")
  func accounting() throws {
    let model = try TinyMixtral()
    let neurons = model.checkpoint.configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: method(.roundToNearest), calibration: nil
    ) { level($0, neurons: neurons) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    let plain = Set(model.checkpoint.tensorNames)
    let bytes = quantized.tensorNames.filter { !plain.contains($0) }
      .reduce(0) { $0 + (quantized.info($1)?.byteCount ?? 0) }
    let bits = reports.reduce(0) { $0 + $1.codeBits + $1.metadataBits }
    // Rows of codes, zero points and orders end on whole bytes.
    #expect(8 * bytes >= bits && Double(8 * bytes) < 1.05 * Double(bits))
    let inventory = try ModelInventory(target)
    #expect(inventory.unaccounted.isEmpty && inventory.missing.isEmpty)
    #expect(inventory.misshapen.isEmpty)
    #expect(inventory.bitsHistogram?.contains("4+3+2 bits × 12") ?? false)
  }

  @Test("a single slice in act-order has its order stored and counted")
  func singleSlice() throws {
    let model = try TinyMixtral()
    let neurons = model.checkpoint.configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: method(Self.solvers[2]), calibration: try model.calibrate()
    ) { module in
      module.expert == nil
        ? .bits(3) : .slices(NeuronSplit([.init(bits: 3, neurons: neurons)]))
    }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    for report in reports {
      let stored = try quantized.storedBits(of: report.module)
      #expect(stored.codeBits == report.codeBits && stored.metadataBits == report.metadataBits)
    }
    let gate = try #require(reports.first { $0.unit == "layers.0.experts.0" })
    let bits = try quantized.storedBits(of: gate.module).bits
    #expect(bits[.neuronOrder] == neurons * SlicedTensors.bits(neurons: neurons))
    // Down falls by its Hessian's diagonal, wherever gate and up have their rows.
    #expect(try quantized.sliced(gate.module)?.order != Array(0..<neurons))
  }

  @Test("the function is that of the dequantized weights, whatever order neurons are stored in")
  func function() throws {
    let model = try TinyMixtral()
    let neurons = model.checkpoint.configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let (target, calibration) = (try model.subfolder("quantized"), try model.calibrate())
    _ = try ModelQuantizer(
      model.checkpoint, method: method(Self.solvers[1]), calibration: calibration
    ) { module in
      // All neurons at 8 bits, cut into slices that lose next to nothing.
      module.expert == nil
        ? .bits(8)
        : .slices(
          NeuronSplit(
            [.init(bits: 8, neurons: 8), .init(bits: 7, neurons: neurons - 8)], rank: 2...4))
    }.write(to: target)
    let tokens = [Array(model.tokens.prefix(40))]
    let full = try logits(tokens, model.checkpoint)
    let sliced = try logits(tokens, try QuantizedCheckpoint(target))
    let scale = full.map { abs($0) }.max() ?? 0
    #expect(zip(full, sliced).allSatisfy { abs($0 - $1) < 0.05 * scale })
  }

  private func logits(_ tokens: [[Int32]], _ source: any WeightSource) throws -> [Float] {
    let pass = try ForwardPass(tokens, source: source, precision: .f32)
    try pass.runLayers()
    var result: [Float] = []
    try pass.forEachLogits { _, rows, logits in
      let count = rows * source.configuration.vocabularySize
      result += Array(UnsafeBufferPointer(start: logits, count: count))
    }
    return result
  }

  private func modulesOf(_ configuration: ModelConfiguration) -> [LinearModule] {
    (0..<configuration.layerCount).flatMap(configuration.linearModules(layer:))
  }
}
