import Calibration
import Checkpoints
import MoEModels
import Quantization
import Tensors

extension GatedMoments {
  /// Reads the moments of an expert.
  ///
  /// - Parameters:
  ///   - modules: Gate, up and down.
  ///   - statistics: Of their layer.
  /// - Throws: `HDF5Error`.
  init(of modules: [LinearModule], _ statistics: CalibrationLayer) throws {
    func site(_ module: LinearModule) throws -> Site {
      Site(
        sum: try statistics.sum(at: module.input, order: module.columns),
        tokens: try statistics.tokens(at: module.input))
    }
    self.init(input: try site(modules[0]), hidden: try site(modules[2]))
  }
}

extension GatedWeights {
  /// Reads gate, up and down of an MLP.
  init(of modules: [LinearModule], from checkpoint: Checkpoint) throws {
    let weights = try modules.map {
      try checkpoint.matrix($0.tensor, rows: $0.rows, columns: $0.columns)
    }
    precondition(weights.count == 3, "\(weights.count) matrices in a gated MLP")
    self.init(gate: weights[0], up: weights[1], down: weights[2])
    for module in modules { checkpoint.releasePages(of: module.tensor) }
  }
}
