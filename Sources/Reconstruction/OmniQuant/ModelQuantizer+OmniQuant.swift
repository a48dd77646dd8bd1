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
    let trained = try run.layer(
      layer,
      grid: { module in
        guard case .bits(let bits) = try level(module) else {
          throw MethodError.learningOfSlices(unit: module.unit ?? "")
        }
        return try method.grids.grid(bits: bits)
      }, progress: { _ in })
    for (module, packed, training) in trained.modules {
      let weight = QuantizedWeight(.packed(packed))
      var report = ModuleReport(
        module, weight, bits: Double(packed.bits), MixedExpert.Outcome(), ModuleDetails(),
        tokens: stream.map { $0.sample.sequences.reduce(0) { $0 + $1.count } })
      report.training = training
      try put(module, weight, report)
    }
    return trained.folded
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
