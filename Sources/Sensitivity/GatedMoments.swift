import Calibration
import Checkpoints
import MoEModels
import Quantization
import Tensors

/// What calibration knows of the inputs of an expert's matrices.
public struct GatedMoments: Sendable {
  /// S = Σ x xᵀ over some tokens.
  public struct Site: Sendable {
    public var sum: SecondMoments
    public var tokens: Int

    public init(sum: SecondMoments, tokens: Int) {
      self.sum = sum
      self.tokens = tokens
    }
  }

  /// Of the input of gate and up, order `inputs`.
  public var input: Site
  /// Of the input of down, order `neurons`.
  public var hidden: Site

  /// Whether tokens came through.
  public var hasTokens: Bool { input.tokens > 0 && hidden.tokens > 0 }

  public init(input: Site, hidden: Site) {
    self.input = input
    self.hidden = hidden
  }

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
