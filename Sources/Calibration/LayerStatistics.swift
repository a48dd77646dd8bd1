import Checkpoints
import MoEModels
import Tensors

/// Everything that calibration keeps of one layer.
final class LayerStatistics: LayerTap {
  private(set) var inputs: [InputSite: InputStatistics]
  /// How often each expert was among the top-k.
  private(set) var count: [Int64]
  /// Σ of softmax probabilities over all experts, where the expert was chosen.
  private(set) var weightBefore: [Double]
  /// Σ of the weights applied to the expert's output.
  private(set) var weightAfter: [Double]
  /// Tokens that went through the layer.
  private(set) var tokens = 0
  /// Σ ‖y‖² of the output of all experts together, or of the dense MLP.
  private(set) var outputEnergy = 0.0
  /// Σ cos(x, x + y) over tokens, x being the residual stream before the block and y its output.
  private(set) var cosineSum = 0.0
  /// Σ 1 / ‖x + y‖² over tokens with x + y ≠ 0.
  private(set) var inverseResidualEnergy = 0.0

  let options: CalibrationOptions
  private let scratch = StatisticsScratch()

  var wantsAllTokens: Bool { options.tokens.needsAllTokens }

  /// For layer `layer` of a model.
  init(layer: Int, of c: ModelConfiguration, options: CalibrationOptions) {
    self.options = options
    inputs = Dictionary(
      uniqueKeysWithValues: c.inputSites(layer: layer).map { site, width in
        (
          site,
          InputStatistics(width: width, options: options, isRouted: site.block?.expert != nil)
        )
      })
    let experts = c.expertCount(ofLayer: layer)
    count = [Int64](repeating: 0, count: experts)
    weightBefore = [Double](repeating: 0, count: experts)
    weightAfter = [Double](repeating: 0, count: experts)
  }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {
    guard let weights, site.block?.expert != nil else {
      inputs[site]?.add(x, rows: rows, scratch: scratch)
      return
    }
    let (routed, routedWeights) = routedRows(x, columns: columns, weights: weights)
    inputs[site]?.addWeighted(routed, weights: routedWeights, scratch: scratch)
    switch options.tokens {
    case .routed: inputs[site]?.add(routed, rows: routedWeights.count, scratch: scratch)
    case .all: inputs[site]?.add(x, rows: rows, scratch: scratch)
    case .mixture:
      inputs[site]?.add(routed, rows: routedWeights.count, scratch: scratch)
      inputs[site]?.addAll(x, rows: rows, scratch: scratch)
    }
  }

  /// The rows with a weight, one after the other.
  private func routedRows(
    _ x: UnsafePointer<Float>, columns: Int, weights: [Float]
  ) -> (UnsafePointer<Float>, [Float]) {
    guard weights.contains(0) else { return (x, weights) }
    let kept = weights.indices.filter { weights[$0] > 0 }
    let target = scratch.routed.reserve(kept.count * columns)
    for (place, row) in kept.enumerated() {
      (target + place * columns).update(from: x + row * columns, count: columns)
    }
    return (UnsafePointer(target), kept.map { weights[$0] })
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {
    tokens += rows
    for row in 0..<rows {
      outputEnergy += Double(VectorMath.sumOfSquares(y + row * columns, count: columns))
    }
  }

  func observe(
    residual x: UnsafePointer<Float>, moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int
  ) {
    for row in 0..<rows {
      let turn = VectorMath.turn(of: x + row * columns, by: y + row * columns, count: columns)
      cosineSum += turn.cosine
      if turn.squaredLength > 0 { inverseResidualEnergy += 1 / turn.squaredLength }
    }
  }

  func observe(_ routing: Routing) {
    for (slot, expert) in routing.experts.enumerated() {
      count[expert] += 1
      weightBefore[expert] += Double(routing.weightsBefore[slot])
      weightAfter[expert] += Double(routing.weightsAfter[slot])
    }
  }
}
