import Calibration
import Checkpoints
import MoEModels
import Tensors

/// The inputs of a layer's MLPs and the weights of their outputs, kept for one layer.
///
/// Takes tokens · experts per token · hidden floats. The gate of a shared expert is not seen: its
/// outputs count with weight 1.
final class ExpertInputs: LayerTap {
  /// What a block gets.
  struct Rows {
    /// `[rows, hidden]`.
    var x: Matrix
    /// Of each row's output.
    var weights: [Float]
    /// Of each row among all.
    var tokens: [Int]
  }

  private var values: [GatedBlock: [Float]] = [:]
  private var weights: [GatedBlock: [Float]] = [:]
  private var tokens: [GatedBlock: [Int]] = [:]
  /// Tokens of the batches before, and of this one each expert's.
  private var batchStart = 0
  private var routed: [[Int]] = []

  var wantsAllTokens: Bool { false }

  func observe(_ routing: Routing) {
    routed = routing.tokensByExpert
  }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows count: Int, columns: Int, weights: [Float]?
  ) {
    guard case .gateUp(let block) = site else { return }
    values[block, default: []] += UnsafeBufferPointer(start: x, count: count * columns)
    self.weights[block, default: []] += weights ?? [Float](repeating: 1, count: count)
    let indices = block.expert.map { routed[$0] } ?? Array(0..<count)
    tokens[block, default: []] += indices.map { batchStart + $0 }
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) { batchStart += rows }

  /// nil for an expert without tokens.
  func rows(of block: GatedBlock) -> Rows? {
    guard let values = values[block], let weights = weights[block], let tokens = tokens[block]
    else { return nil }
    let x = Matrix(
      rows: weights.count, columns: values.count / weights.count, storage: values)
    return Rows(x: x, weights: weights, tokens: tokens)
  }
}

/// What the output of a layer's MoE loses on some tokens when matrices of one block are rounded.
///
/// The outputs of the others stay, so that ‖MoE(x) - MoE(x; rounded)‖² = Σ w² ‖E(x) - Ê(x)‖² over the
/// block's tokens, w being the weight of its output.
struct OutputErrors {
  private let block: GatedBlock
  private let layer: Int
  private let checkpoint: Checkpoint
  private let precision: Precision
  private let rows: ExpertInputs.Rows?
  /// E(x); nil without tokens.
  private let exact: Matrix?

  init(
    _ block: GatedBlock, layer: Int, of inputs: ExpertInputs, checkpoint: Checkpoint,
    precision: Precision
  ) throws {
    (self.block, self.layer, self.checkpoint) = (block, layer, checkpoint)
    self.precision = precision
    rows = inputs.rows(of: block)
    exact = try rows.map {
      try GatedBlockPass(block, layer: layer, source: checkpoint, precision: precision)
        .outputs(of: $0.x)
    }
  }

  /// The error of some matrices.
  ///
  /// - Parameter rounded: Matrices of the block and what takes their place.
  /// - Returns: ‖MoE(x) - MoE(x; rounded)‖_F; 0 for an expert that no token goes to.
  /// - Throws: What reading weights throws.
  func error(of rounded: [(module: LinearModule, weights: Matrix)]) throws -> Double {
    try squares(of: rounded) { _, square in square }.squareRoot()
  }

  /// The error of some matrices under the slopes at the MoE's output.
  ///
  /// - Parameters:
  ///   - rounded: Matrices of the block and what takes their place.
  ///   - slopes: g, `[tokens, hidden]` of all tokens.
  /// - Returns: Σ (g · w · (E(x) - Ê(x)))² / N, element by element.
  /// - Throws: What reading weights throws.
  func loss(
    of rounded: [(module: LinearModule, weights: Matrix)], under slopes: Matrix
  ) throws -> Double {
    let sum = try squares(of: rounded) { element, square in
      let slope = Double(slopes[element.token, element.channel])
      return slope * slope * square
    }
    return sum / Double(max(slopes.rows, 1))
  }

  /// Σ over the block's tokens of w² Σ over channels of `term`, which gets (E(x) - Ê(x))².
  private func squares(
    of rounded: [(module: LinearModule, weights: Matrix)],
    _ term: ((token: Int, channel: Int), Double) -> Double
  ) throws -> Double {
    guard let rows, let exact else { return 0 }
    let source = RoundedWeights(
      checkpoint: checkpoint,
      rounded: Dictionary(uniqueKeysWithValues: rounded.map { ($0.module.tensor, $0.weights) }))
    let difference = try GatedBlockPass(block, layer: layer, source: source, precision: precision)
      .outputs(of: rows.x).minus(exact)
    var sum = 0.0
    for (row, weight) in rows.weights.enumerated() {
      var ofRow = 0.0
      for channel in 0..<difference.columns {
        let value = Double(difference[row, channel])
        ofRow += term((rows.tokens[row], channel), value * value)
      }
      sum += Double(weight) * Double(weight) * ofRow
    }
    return sum
  }
}

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

/// A checkpoint with some matrices in place of its own.
private struct RoundedWeights: WeightSource {
  let checkpoint: Checkpoint
  let rounded: [String: Matrix]

  var configuration: ModelConfiguration { checkpoint.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    try rounded[name] ?? checkpoint.matrix(name, rows: rows, columns: columns)
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try checkpoint.vector(name, count: count)
  }

  func releasePages(of name: String) { checkpoint.releasePages(of: name) }
}
