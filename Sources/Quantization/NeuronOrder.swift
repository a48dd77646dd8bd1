public import Tensors

/// A permutation of an expert's neurons; the expert computes the same function in any order.
///
///     y = down · (silu(gate · x) ⊙ (up · x)) = (down · Pᵀ) · (silu(P · gate · x) ⊙ (P · up · x))
///
/// Sorted by rank, the neurons of one bit-width are contiguous rows of gate and up and contiguous
/// columns of down, that is small experts whose outputs add up (METHODS §5.6).
public struct NeuronOrder: Sendable, Equatable {
  /// The neuron at each position, shape `[neurons]`: a permutation of `0 ..< neurons`.
  public let neurons: [Int]

  public var count: Int { neurons.count }

  /// - Parameter neurons: The neuron at each position.
  /// - Throws: ``NeuronOrderError`` if it is no permutation.
  public init(_ neurons: [Int]) throws(NeuronOrderError) {
    var seen = [Bool](repeating: false, count: neurons.count)
    for (position, neuron) in neurons.enumerated() {
      guard neurons.indices.contains(neuron) else {
        throw .outOfRange(neuron: neuron, position: position, neurons: neurons.count)
      }
      guard !seen[neuron] else { throw .repeated(neuron: neuron, position: position) }
      seen[neuron] = true
    }
    self.neurons = neurons
  }

  private init(valid neurons: [Int]) { self.neurons = neurons }

  /// A list that is known to be a permutation.
  init(rearranging neurons: [Int]) { self.init(valid: neurons) }

  /// Every neuron in its place.
  public static func identity(_ count: Int) -> NeuronOrder {
    NeuronOrder(valid: Array(0..<count))
  }

  /// Neurons by falling value, ties by index.
  ///
  /// - Parameter values: Shape `[neurons]`, none NaN.
  public init(falling values: [Double]) {
    neurons = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
  }

  /// The order that puts every neuron back.
  public var inverse: NeuronOrder {
    var positions = [Int](repeating: 0, count: count)
    for (position, neuron) in neurons.enumerated() { positions[neuron] = position }
    return NeuronOrder(valid: positions)
  }

  /// Row `position` of the result is row `neurons[position]`; gate and up.
  public func rows(of matrix: Matrix) -> Matrix { rows(of: matrix, at: 0..<count) }

  /// Column `position` of the result is column `neurons[position]`; down.
  public func columns(of matrix: Matrix) -> Matrix { columns(of: matrix, at: 0..<count) }

  /// All three matrices.
  public func applied(to expert: GatedWeights) -> GatedWeights {
    GatedWeights(
      gate: rows(of: expert.gate), up: rows(of: expert.up), down: columns(of: expert.down))
  }

  /// The rows at some positions, shape `[positions, columns]`.
  public func rows(of matrix: Matrix, at positions: Range<Int>) -> Matrix {
    precondition(matrix.rows == count, "\(matrix.rows) rows for \(count) neurons")
    var storage: [Float] = []
    storage.reserveCapacity(positions.count * matrix.columns)
    for neuron in neurons[positions] {
      storage += matrix.storage[neuron * matrix.columns..<(neuron + 1) * matrix.columns]
    }
    return Matrix(rows: positions.count, columns: matrix.columns, storage: storage)
  }

  /// The columns at some positions, shape `[rows, positions]`.
  public func columns(of matrix: Matrix, at positions: Range<Int>) -> Matrix {
    precondition(matrix.columns == count, "\(matrix.columns) columns for \(count) neurons")
    var storage: [Float] = []
    storage.reserveCapacity(positions.count * matrix.rows)
    for row in 0..<matrix.rows {
      for neuron in neurons[positions] {
        storage.append(matrix.storage[row * matrix.columns + neuron])
      }
    }
    return Matrix(rows: matrix.rows, columns: positions.count, storage: storage)
  }
}

/// Why a list is not an order of neurons.
public enum NeuronOrderError: Error, Equatable, CustomStringConvertible {
  case outOfRange(neuron: Int, position: Int, neurons: Int)
  case repeated(neuron: Int, position: Int)

  public var description: String {
    switch self {
    case .outOfRange(let neuron, let position, let neurons):
      "Position \(position) names neuron \(neuron); neurons are 0..<\(neurons)."
    case .repeated(let neuron, let position):
      "Position \(position) names neuron \(neuron) for the second time; an order names each once."
    }
  }
}
