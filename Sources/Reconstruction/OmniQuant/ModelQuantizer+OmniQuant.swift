import Calibration
import Checkpoints
import MoEModels
import Quantization
import Tensors

extension ModelQuantizer {
  /// nil unless the method learns.
  func learning() throws -> OmniQuantRun? {
    guard case .omniQuant(let options) = method.solver, let stream else { return nil }
    return try OmniQuantRun(
      checkpoint, options: options, sequences: stream.sample.sequences, recovery: recovery)
  }

  /// Trains the next layer.
  ///
  /// - Parameters:
  ///   - layer: Its index.
  ///   - run: Stands before it.
  ///   - put: Gets every module.
  /// - Returns: Tensors that stand in the place of ``foldedTensors`` of the layer.
  /// - Throws: What training and `put` throw.
  func learn(
    _ layer: Int, _ run: OmniQuantRun,
    _ put: (LinearModule, QuantizedWeight, ModuleReport) throws -> Void
  ) throws -> [TensorPayload] {
    let blocks = try slicedBlocks(layer)
    let trained = try run.layer(layer, layout: { try layout(of: $0, blocks) }, progress: { _ in })
    for (module, matrix, training, tokens) in trained.modules {
      let block = blocks[module.tensor]?.block
      let weight = QuantizedWeight(matrix, orderBeside: block?.modules[0].tensor)
      var report = ModuleReport(
        module, weight, bits: try level(module).meanBits, MixedExpert.Outcome(), ModuleDetails(),
        tokens: tokens)
      report.training = training
      report.neuronOrder = blocks[module.tensor]?.ranking
      try put(module, weight, report)
    }
    return trained.folded
  }

  private struct RankedBlock {
    let block: SlicedBlock
    let order: NeuronOrder
    let ranking: NeuronRanking?
  }

  /// Experts whose neurons get different bits, with the order of their neurons, by the names of their
  /// matrices.
  private func slicedBlocks(
    _ layer: Int
  ) throws -> [String: RankedBlock] {
    let configuration = checkpoint.configuration
    let experts = configuration.expertCount(ofLayer: layer)
    var statistics: CalibrationLayer?
    var result: [String: RankedBlock] = [:]
    for (_, modules) in configuration.gatedBlocks(layer: layer) {
      guard case .slices(let split) = try level(modules[0]) else { continue }
      statistics =
        try statistics
        ?? calibration.map {
          try CalibrationLayer(layer, in: $0, experts: experts)
        }
      let block = SlicedBlock(
        modules: modules, split: split, method: method,
        information: LayerInformation(statistics: statistics, fisher: nil))
      let weights = try block.weights(in: checkpoint)
      let order = try ModuleError.naming(modules[0].unit ?? modules[0].tensor) {
        try block.order(of: weights)
      }
      let ranked = RankedBlock(block: block, order: order, ranking: try block.ranking)
      for module in modules { result[module.tensor] = ranked }
    }
    return result
  }

  private func layout(
    of module: LinearModule, _ blocks: [String: RankedBlock]
  ) throws -> ClippedLayout {
    switch try level(module) {
    case .bits(let bits): return .whole(try method.grids.grid(bits: bits))
    case .slices(let split):
      guard let order = blocks[module.tensor]?.order else {
        preconditionFailure("slices of \(module.tensor), which is of no expert")
      }
      return .sliced(
        try split.slices.map { try method.grids.grid(bits: $0.bits) },
        neurons: split.slices.map(\.neurons), order: order,
        along: module.projection == .down ? .columns : .rows)
    }
  }

  /// Names of tensors that keep their precision but not their values.
  var foldedTensors: Set<String> {
    guard case .omniQuant(let options) = method.solver, options.equivalent else { return [] }
    let configuration = checkpoint.configuration
    return Set(
      (0..<configuration.layerCount).flatMap { layer in
        let readers = configuration.feedForwardReaders(layer: layer)
        return [readers.norm] + readers.matrices.map(\.tensor)
      })
  }
}
