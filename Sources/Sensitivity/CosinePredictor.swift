import MoEModels
import Statistics
import Tensors

/// What goes into a layer's MoE block and how far the block turns it, token by token.
final class BlockTurns: LayerTap {
  /// The residual stream before the block, `[tokens, hidden]`.
  private var inputs: [Float] = []
  /// cos(x, x + MoE(x)) of each token.
  private(set) var cosines: [Float] = []

  var wantsAllTokens: Bool { false }

  var residual: Matrix {
    Matrix(
      rows: cosines.count, columns: inputs.count / max(cosines.count, 1), storage: inputs)
  }

  func observe(
    residual x: UnsafePointer<Float>, moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int
  ) {
    inputs.append(contentsOf: UnsafeBufferPointer(start: x, count: rows * columns))
    for row in 0..<rows {
      let start = row * columns
      cosines.append(Float(VectorMath.cosine(x + start, plus: y + start, count: columns)))
    }
  }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {}
  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}
}

/// A network of one hidden layer that predicts from a token's residual stream how far a MoE block
/// will turn it: ŷ = w₂ · max(W₁ x + b₁, 0) + b₂, a quarter as wide as its input.
///
/// Trained as the published predictor is: mean squared error, AdamW with rate 10⁻⁴ and decay 10⁻²,
/// at most 100 epochs, the weights of the least error on held-out tokens, and an end after 5 epochs
/// without a lesser one. Steps are of 64 tokens; weights start as PyTorch's linear layers do.
///
/// - SeeAlso: Li et al. 2024, arXiv:2406.08155, block importance predictor; METHODS §2.6.
struct CosinePredictor {
  static let epochs = 100
  static let patience = 5
  private static let batch = 64
  private static let (rate, decay): (Float, Float) = (1e-4, 1e-2)

  /// W₁ transposed, `[inputs, width]`.
  private var first: Matrix
  private var firstBias: [Float]
  /// w₂.
  private var second: [Float]
  private var secondBias: Float
  /// Epochs that were run.
  private(set) var epochsRun = 0

  /// - Parameters:
  ///   - targets: One a token.
  ///   - x: Inputs, `[tokens, inputs]`; the last fifth is held out of the training.
  ///   - seed: Of the first weights and the order of the tokens.
  ///   - epochs: At most.
  init(predicting targets: [Float], from x: Matrix, seed: UInt64, epochs: Int = Self.epochs) {
    var random = SeededGenerator(seed: seed)
    let width = max(x.columns / 4, 1)
    func uniform(_ count: Int, of inputs: Int) -> [Float] {
      let bound = 1 / Float(max(inputs, 1)).squareRoot()
      return (0..<count).map { _ in Float.random(in: -bound...bound, using: &random) }
    }
    first = Matrix(
      rows: x.columns, columns: width, storage: uniform(x.columns * width, of: x.columns))
    firstBias = uniform(width, of: x.columns)
    second = uniform(width, of: width)
    secondBias = uniform(1, of: width)[0]
    train(x, targets, epochs: epochs, using: &random)
  }

  /// The tokens that are held out of a training.
  static func heldOut(of tokens: Int) -> Range<Int> { tokens - tokens / 5..<tokens }

  /// ŷ of every row.
  func predictions(of x: Matrix) -> [Float] { output(of: hidden(of: x)) }

  private mutating func train(
    _ x: Matrix, _ targets: [Float], epochs: Int, using random: inout SeededGenerator
  ) {
    let heldOut = Self.heldOut(of: x.rows)
    let (checked, checkedTargets) = (x.rows(heldOut), Array(targets[heldOut]))
    var order = Array(0..<heldOut.lowerBound)
    var optimizers = [first.storage.count, firstBias.count, second.count, 1].map {
      AdamW(count: $0, rate: Self.rate, decay: Self.decay)
    }
    var (best, least, sinceBest) = (self, Double.infinity, 0)
    while epochsRun < epochs, sinceBest < Self.patience, !order.isEmpty {
      random.shuffle(&order)
      for start in stride(from: 0, to: order.count, by: Self.batch) {
        let tokens = Array(order[start..<min(start + Self.batch, order.count)])
        step(x.rows(at: tokens), tokens.map { targets[$0] }, &optimizers)
      }
      epochsRun += 1
      sinceBest += 1
      let error = Self.meanSquare(predictions(of: checked), checkedTargets)
      if error < least { (best, least, sinceBest) = (self, error, 0) }
    }
    let run = epochsRun
    if least < .infinity { self = best }
    epochsRun = run
  }

  private static func meanSquare(_ found: [Float], _ targets: [Float]) -> Double {
    zip(found, targets).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      / Double(max(targets.count, 1))
  }

  /// max(W₁ x + b₁, 0), `[tokens, width]`.
  private func hidden(of x: Matrix) -> Matrix {
    var result = x.multiplied(by: first)
    for index in result.storage.indices {
      result.storage[index] = max(
        result.storage[index] + firstBias[index % result.columns], 0)
    }
    return result
  }

  private func output(of hidden: Matrix) -> [Float] {
    (0..<hidden.rows).map { row in
      var sum = secondBias
      for column in 0..<hidden.columns { sum += hidden[row, column] * second[column] }
      return sum
    }
  }

  private mutating func step(_ x: Matrix, _ targets: [Float], _ optimizers: inout [AdamW]) {
    let hidden = hidden(of: x)
    let slopes = zip(output(of: hidden), targets).map { 2 * ($0 - $1) / Float(targets.count) }
    var secondSlope = [Float](repeating: 0, count: second.count)
    var through = hidden
    for row in 0..<hidden.rows {
      for column in 0..<hidden.columns {
        secondSlope[column] += slopes[row] * hidden[row, column]
        through[row, column] = hidden[row, column] > 0 ? slopes[row] * second[column] : 0
      }
    }
    var biasSlope = [Float](repeating: 0, count: firstBias.count)
    for row in 0..<through.rows {
      for column in biasSlope.indices { biasSlope[column] += through[row, column] }
    }
    optimizers[0].step(&first.storage, x.transposedTimes(through).storage)
    optimizers[1].step(&firstBias, biasSlope)
    optimizers[2].step(&second, secondSlope)
    var bias = [secondBias]
    optimizers[3].step(&bias, [slopes.reduce(0, +)])
    secondBias = bias[0]
  }
}

extension BlockTurns {
  /// 1 - the mean predicted cosine of held-out tokens: nil without tokens to train on.
  func predictedImportance(seed: UInt64) -> Double? {
    let (x, heldOut) = (residual, CosinePredictor.heldOut(of: cosines.count))
    guard !heldOut.isEmpty else { return nil }
    let predictor = CosinePredictor(predicting: cosines, from: x, seed: seed)
    let predicted = predictor.predictions(of: x.rows(heldOut))
    return 1 - predicted.reduce(0) { $0 + Double($1) } / Double(heldOut.count)
  }
}

extension Matrix {
  fileprivate func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      storage: Array(storage[range.lowerBound * columns..<range.upperBound * columns]))
  }

  fileprivate func rows(at places: [Int]) -> Matrix {
    Matrix(
      rows: places.count, columns: columns,
      storage: places.flatMap { storage[$0 * columns..<($0 + 1) * columns] })
  }
}
