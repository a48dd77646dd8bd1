public import Checkpoints

/// What reads the input of a layer's MLPs beside gates and ups, and the norm that makes it.
public struct FeedForwardReaders: Sendable {
  /// Name of the norm's weight, `[hidden]`.
  public let norm: String
  /// The router, and the gate of a shared expert: `[rows, hidden]`.
  public let matrices: [(tensor: String, rows: Int, columns: Int)]
}

extension ModelConfiguration {
  /// What a scaling of the MLPs' inputs has to be folded into so that the layer computes the same.
  ///
  /// - Parameter layer: Its index.
  /// - Returns: Names and shapes.
  public func feedForwardReaders(layer: Int) -> FeedForwardReaders {
    let layout = layout(ofLayer: layer)
    var tensors: [LinearTensors] = []
    if case .mixture(let mixture) = layout.feedForward {
      tensors = [mixture.router] + (mixture.sharedGate.map { [$0] } ?? [])
    }
    return FeedForwardReaders(
      norm: layout.feedForwardNorm.weight,
      matrices: tensors.map { ($0.weight, $0.rows, $0.columns) })
  }
}
