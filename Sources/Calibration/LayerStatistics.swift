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

  private let product = ScratchBuffer<Float>()

  /// For layer `layer` of a model.
  init(layer: Int, of c: ModelConfiguration) {
    inputs = Dictionary(
      uniqueKeysWithValues: c.inputSites(layer: layer).map {
        ($0.site, InputStatistics(width: $0.width))
      })
    let experts = c.expertCount(ofLayer: layer)
    count = [Int64](repeating: 0, count: experts)
    weightBefore = [Double](repeating: 0, count: experts)
    weightAfter = [Double](repeating: 0, count: experts)
  }

  func observe(_ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int) {
    inputs[site]?.add(x, rows: rows, scratch: product)
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {
    tokens += rows
    for row in 0..<rows {
      outputEnergy += Double(VectorMath.sumOfSquares(y + row * columns, count: columns))
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
