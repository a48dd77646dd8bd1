import Checkpoints
import MoEModels
import Tensors

/// The inputs of a layer's MLPs and the weights of their outputs, kept for one layer.
///
/// Takes tokens · experts per token · hidden floats. The gate of a shared expert is not seen: its
/// outputs count with weight 1.
final class ExpertInputs: LayerTap {
  /// Rows `[tokens, hidden]` of a block, one weight a row.
  private var rows: [GatedBlock: (x: [Float], weights: [Float])] = [:]

  var wantsAllTokens: Bool { false }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows count: Int, columns: Int, weights: [Float]?
  ) {
    guard case .gateUp(let block) = site else { return }
    let values = UnsafeBufferPointer(start: x, count: count * columns)
    rows[block, default: ([], [])].x.append(contentsOf: values)
    rows[block]?.weights.append(
      contentsOf: weights ?? [Float](repeating: 1, count: count))
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}

  /// nil for an expert without tokens.
  func rows(of block: GatedBlock) -> (x: Matrix, weights: [Float])? {
    rows[block].map { x, weights in
      (Matrix(rows: weights.count, columns: x.count / weights.count, storage: x), weights)
    }
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
  private let rows: (x: Matrix, weights: [Float])?
  /// E(x); nil without tokens.
  private let exact: Matrix?

  /// nil if ε is not asked for.
  init?(
    _ block: GatedBlock, layer: Int, of inputs: ExpertInputs, _ options: ExpertMeasurement
  ) throws {
    guard let sample = options.expertOutput else { return nil }
    (self.block, self.layer, checkpoint) = (block, layer, options.checkpoint)
    precision = sample.precision
    rows = inputs.rows(of: block)
    exact = try rows.map {
      try GatedBlockPass(
        block, layer: layer, source: options.checkpoint, precision: sample.precision
      ).outputs(of: $0.x)
    }
  }

  /// The error of some matrices.
  ///
  /// - Parameter rounded: Matrices of the block and what takes their place.
  /// - Returns: ‖MoE(x) - MoE(x; rounded)‖_F; 0 for an expert that no token goes to.
  /// - Throws: What reading weights throws.
  func error(of rounded: [(module: LinearModule, weights: Matrix)]) throws -> Double {
    guard let rows, let exact else { return 0 }
    let source = RoundedWeights(
      checkpoint: checkpoint,
      rounded: Dictionary(uniqueKeysWithValues: rounded.map { ($0.module.tensor, $0.weights) }))
    let difference = try GatedBlockPass(block, layer: layer, source: source, precision: precision)
      .outputs(of: rows.x).minus(exact)
    var squares = 0.0
    for (row, weight) in rows.weights.enumerated() {
      let start = row * difference.columns
      let square = difference.storage[start..<start + difference.columns]
        .reduce(0) { $0 + Double($1) * Double($1) }
      squares += Double(weight) * Double(weight) * square
    }
    return squares.squareRoot()
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
