import Calibration
import Checkpoints
import MoEModels
import Tensors

/// The slopes at a layer's output on the tokens of a gradient, and what its MLPs get there.
struct LayerOutputSlopes {
  let inputs: ExpertInputs
  /// `[tokens, hidden]`.
  let slopes: Matrix
}

extension GradientFolder {
  /// A pass over the tokens of the gradient, in the precision that it was computed in.
  func forwardPass(through checkpoint: Checkpoint) throws -> ForwardPass {
    try ForwardPass(sequences(), source: checkpoint, precision: .f32)
  }

  /// Sends a pass through a layer.
  func slopes(layer: Int, of pass: ForwardPass) throws -> LayerOutputSlopes {
    let inputs = ExpertInputs()
    try pass.runLayer(layer, tap: inputs)
    return LayerOutputSlopes(
      inputs: inputs,
      slopes: try outputSlopes(layer: layer, hidden: pass.source.configuration.hiddenSize))
  }
}
