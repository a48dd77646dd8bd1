public import Tensors

/// The three matrices of an expert, y = down · (silu(gate · x) ⊙ (up · x)).
///
/// Neuron j is row j of gate, row j of up and column j of down.
public struct GatedWeights: Sendable, Equatable {
  /// Shape `[neurons, inputs]`.
  public var gate: Matrix
  /// Shape `[neurons, inputs]`.
  public var up: Matrix
  /// Shape `[outputs, neurons]`.
  public var down: Matrix

  public var neurons: Int { gate.rows }

  /// Weights of one neuron in all three matrices.
  public var weightsPerNeuron: Int { 2 * gate.columns + down.rows }

  public init(gate: Matrix, up: Matrix, down: Matrix) {
    precondition(
      gate.rows == up.rows && gate.columns == up.columns && down.columns == gate.rows,
      "gate [\(gate.rows), \(gate.columns)], up [\(up.rows), \(up.columns)], "
        + "down [\(down.rows), \(down.columns)]")
    self.gate = gate
    self.up = up
    self.down = down
  }
}
