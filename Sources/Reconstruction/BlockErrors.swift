import Calibration
import Checkpoints
import MoEModels
import Tensors

/// What rounding a single matrix of a layer costs where AdaDim looks (METHODS §2.5), on a sample of
/// tokens that come from full-precision layers:
///
///     q, k, v, o        Σ ‖attention(x) - attention(x; Ŵ)‖²
///     gate, up, down    Σ w² ‖E(x) - Ê(x)‖², w being the routing weight of the expert's output
///
/// The output of o, and that of a dense MLP's down, is that of their block.
final class BlockErrors {
  private let layer: Int
  private let checkpoint: Checkpoint
  private let lengths: [Int]
  private let input: Matrix
  private let experts: ExpertInputs
  private var attention: Matrix?
  private var outputs: (block: GatedBlock, errors: OutputErrors)?

  /// Sends a pass through the layer.
  ///
  /// - Parameters:
  ///   - layer: The pass's next.
  ///   - pass: Full precision, f32.
  ///   - lengths: Of its sequences.
  ///   - checkpoint: The model.
  /// - Throws: What reading weights throws.
  init(_ layer: Int, of pass: ForwardPass, lengths: [Int], checkpoint: Checkpoint) throws {
    (self.layer, self.lengths, self.checkpoint) = (layer, lengths, checkpoint)
    (input, experts) = (pass.states, ExpertInputs())
    try pass.runLayer(layer, tap: experts)
  }

  /// - Parameters:
  ///   - module: Of the layer.
  ///   - weights: Ŵ.
  /// - Returns: The error; 0 for an expert that no token goes to.
  /// - Throws: ``BackwardError`` for latent attention, and what reading weights throws.
  func error(of module: LinearModule, with weights: Matrix) throws -> Double {
    guard let block = module.block else { return try attentionError(of: module, with: weights) }
    // Modules of a block follow each other.
    if outputs?.block != block {
      outputs = (
        block,
        try OutputErrors(
          block, layer: layer, of: experts, checkpoint: checkpoint, precision: .f32)
      )
    }
    let root = try outputs?.errors.error(of: [(module, weights)]) ?? 0
    return root * root
  }

  private func attentionError(of module: LinearModule, with weights: Matrix) throws -> Double {
    let exact = try attention ?? attentionOutput(of: checkpoint)
    attention = exact
    let rounded = ReplacedWeights(checkpoint, replaced: [module.tensor: weights])
    return try attentionOutput(of: rounded).minus(exact).squaredNorm
  }

  private func attentionOutput(of source: any WeightSource) throws -> Matrix {
    try DifferentiableLayer(layer, source: source, positions: lengths.max() ?? 0)
      .attentionOutput(of: input, lengths: lengths)
  }
}
