import Checkpoints
import MoEModels
import Tensors

/// The inputs of a layer's MLPs and the weights of their outputs, kept for one layer.
///
/// Takes tokens · experts per token · hidden floats. The gate of a shared expert is not seen: its
/// outputs count with weight 1.
public final class ExpertInputs: LayerTap {
  /// What a block gets.
  public struct Rows {
    /// `[rows, hidden]`.
    public var x: Matrix
    /// Of each row's output.
    public var weights: [Float]
    /// Of each row among all.
    public var tokens: [Int]
  }

  private var values: [GatedBlock: [Float]] = [:]
  private var weights: [GatedBlock: [Float]] = [:]
  private var tokens: [GatedBlock: [Int]] = [:]
  /// Tokens of the batches before, and of this one each expert's.
  private var batchStart = 0
  private var routed: [[Int]] = []

  public init() {}

  public var wantsAllTokens: Bool { false }

  public func observe(_ routing: Routing) {
    routed = routing.tokensByExpert
  }

  public func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows count: Int, columns: Int, weights: [Float]?
  ) {
    guard case .gateUp(let block) = site else { return }
    values[block, default: []] += UnsafeBufferPointer(start: x, count: count * columns)
    self.weights[block, default: []] += weights ?? [Float](repeating: 1, count: count)
    let indices = block.expert.map { routed[$0] } ?? Array(0..<count)
    tokens[block, default: []] += indices.map { batchStart + $0 }
  }

  public func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {
    batchStart += rows
  }

  /// nil for an expert without tokens.
  public func rows(of block: GatedBlock) -> Rows? {
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
public struct OutputErrors {
  private let block: GatedBlock
  private let layer: Int
  private let checkpoint: Checkpoint
  private let precision: Precision
  private let rows: ExpertInputs.Rows?
  /// E(x); nil without tokens.
  private let exact: Matrix?

  /// - Parameters:
  ///   - block: The one whose matrices are rounded.
  ///   - layer: Its index.
  ///   - inputs: What the layer's MLPs get.
  ///   - checkpoint: Has the weights.
  ///   - precision: Of the products.
  /// - Throws: What reading weights throws.
  public init(
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
  public func error(of rounded: [(module: LinearModule, weights: Matrix)]) throws -> Double {
    try squares(of: rounded) { _, square in square }.squareRoot()
  }

  /// The error of some matrices under the slopes at the MoE's output.
  ///
  /// - Parameters:
  ///   - rounded: Matrices of the block and what takes their place.
  ///   - slopes: g, `[tokens, hidden]` of all tokens.
  /// - Returns: Σ (g · w · (E(x) - Ê(x)))² / N, element by element.
  /// - Throws: What reading weights throws.
  public func loss(
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
    let source = ReplacedWeights(
      checkpoint,
      replaced: Dictionary(uniqueKeysWithValues: rounded.map { ($0.module.tensor, $0.weights) }))
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
