import Checkpoints
import MoEModels
import Tensors

/// Where the numbers of a model first stop being finite, so that nothing can be learned of it.
public enum NotFiniteError: Error, Equatable, CustomStringConvertible {
  /// What a projection reads.
  case input(of: String, layer: Int)
  /// What the MLP or the experts of a layer add to the residual stream.
  case output(layer: Int)
  /// All layers are finite, and what is made of the last one is not.
  case logits
  /// The slopes of the loss at the input of a layer.
  case slopes(layer: Int)
  case fisher(of: String, layer: Int)

  public var description: String {
    let place =
      switch self {
      case .input(let module, let layer): "Layer \(layer): the input of \(module)"
      case .output(let layer): "Layer \(layer): the output of its MLP or experts"
      case .logits: "The model's output behind its last layer"
      case .slopes(let layer): "Layer \(layer): the slope of the loss at its input"
      case .fisher(let module, let layer): "Layer \(layer): the Fisher diagonal of \(module)"
      }
    return
      "\(place) is not finite, or the sums of its squares are not, so nothing was written: weights "
      + "before it are too large or damaged. `assay perplexity` tells whether the model works at all."
  }
}

extension NotFiniteError {
  /// Looks for the place in a pass of its own, in f32.
  ///
  /// - Parameters:
  ///   - sequences: Token ids.
  ///   - source: The model.
  /// - Returns: The first place in the order of the layers.
  /// - Throws: What reading the model throws.
  static func first(
    of sequences: [[Int32]], in source: any WeightSource
  ) throws -> NotFiniteError {
    let pass = try ForwardPass(sequences, source: source, precision: .f32)
    for layer in 0..<source.configuration.layerCount {
      let tap = FiniteTap()
      try pass.runLayer(layer, tap: tap)
      let modules = source.configuration.linearModules(layer: layer)
      if let module = modules.first(where: { tap.broken.contains($0.input) }) {
        return .input(of: module.tensor, layer: layer)
      }
      if tap.outputIsBroken { return .output(layer: layer) }
    }
    return .logits
  }
}

/// Notes where numbers are not finite.
private final class FiniteTap: LayerTap {
  private(set) var broken: Set<InputSite> = []
  private(set) var outputIsBroken = false
  let wantsAllTokens = false

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {
    if !(0..<rows * columns).allSatisfy({ x[$0].isFinite }) { broken.insert(site) }
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {
    if !(0..<rows * columns).allSatisfy({ y[$0].isFinite }) { outputIsBroken = true }
  }

  func observe(_ routing: Routing) {}
}

extension LayerStatistics {
  /// - Parameters:
  ///   - modules: Of the layer, in the order in which it runs them.
  ///   - layer: Its index.
  /// - Throws: ``NotFiniteError`` of the first sum that is not finite.
  func requireFinite(_ modules: [LinearModule], layer: Int) throws(NotFiniteError) {
    for module in modules where inputs[module.input]?.isFinite == false {
      throw .input(of: module.tensor, layer: layer)
    }
    guard outputEnergy.isFinite else { throw .output(layer: layer) }
  }
}

extension InputStatistics {
  /// Whether all sums are; those of the Hessian are f32 and overflow before the others.
  fileprivate var isFinite: Bool {
    sumSquares.allSatisfy(\.isFinite) && moments.isFinite && allMoments?.isFinite ?? true
      && weighted?.moments.isFinite ?? true
  }
}

extension Matrix {
  var isFinite: Bool { storage.allSatisfy(\.isFinite) }
}
