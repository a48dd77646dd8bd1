import Quantization
import Tensors

/// Which grid each neuron of a module gets.
enum ClippedLayout: Sendable {
  /// All the same.
  case whole(AffineGrid)
  /// Slices of neurons in rank order, rows of gate and up, columns of down; groups of down restart
  /// where a slice starts, as in ``Quantization/MixedExpert``.
  case sliced([AffineGrid], neurons: [Int], order: NeuronOrder, along: NeuronAxis)

  var grids: [AffineGrid] {
    switch self {
    case .whole(let grid): [grid]
    case .sliced(let grids, _, _, _): grids
    }
  }

  /// A matrix of the module's shape, part by part.
  func split(_ matrix: Matrix) -> [Matrix] {
    guard case .sliced(_, let neurons, let order, let axis) = self else { return [matrix] }
    var start = 0
    return neurons.map { count in
      defer { start += count }
      let positions = start..<start + count
      return axis == .rows
        ? order.rows(of: matrix, at: positions) : order.columns(of: matrix, at: positions)
    }
  }

  /// The inverse of ``split(_:)``.
  func joined(_ parts: [Matrix]) -> Matrix {
    guard case .sliced(_, _, let order, let axis) = self else { return parts[0] }
    return Matrix(joining: parts, along: axis, order: order.neurons)
  }

  /// As checkpoints hold it.
  func stored(_ parts: [PackedMatrix]) -> StoredMatrix {
    guard case .sliced(_, _, let order, let axis) = self else { return .packed(parts[0]) }
    return .sliced(SlicedMatrix(parts, along: axis, order: order.neurons))
  }
}
