/// A matrix of an expert whose neurons lie in slices of different bits, in an order of their own.
///
/// Neurons are rows of gate and up, and columns of down. The slices stand side by side along the
/// neurons; position p, counted through them, is neuron `order[p]`.
public struct Slices<Part: QuantizedMatrix>: QuantizedMatrix {
  public typealias Axis = NeuronAxis

  /// Where the neurons are.
  public let axis: Axis
  public let slices: [Part]
  /// The neuron at each position, a permutation, shape `[neurons]`.
  public let order: [Int]

  public init(_ slices: [Part], along axis: Axis, order: [Int]) {
    let neurons = slices.reduce(0) { $0 + (axis == .rows ? $1.rows : $1.columns) }
    precondition(
      neurons == order.count, "\(neurons) neurons in slices, \(order.count) in the order")
    (self.slices, self.axis, self.order) = (slices, axis, order)
  }

  public var rows: Int { axis == .rows ? order.count : slices.first?.rows ?? 0 }
  public var columns: Int { axis == .columns ? order.count : slices.first?.columns ?? 0 }
  public var codeBits: Int { slices.reduce(0) { $0 + $1.codeBits } }

  /// Bits of what the slices store beside their codes; the order is that of the whole expert.
  public var metadataBits: Int { slices.reduce(0) { $0 + $1.metadataBits } }

  /// The weights with every neuron in its place, shape `[rows, columns]`; exact.
  public func dequantized() -> Matrix {
    var result = Matrix(rows: rows, columns: columns)
    var start = 0
    for slice in slices {
      let values = slice.dequantized()
      for row in 0..<values.rows {
        for column in 0..<values.columns {
          switch axis {
          case .rows: result[order[start + row], column] = values[row, column]
          case .columns: result[row, order[start + column]] = values[row, column]
          }
        }
      }
      start += axis == .rows ? slice.rows : slice.columns
    }
    return result
  }
}

/// The slices of affine grids that plans of several bit-widths give.
public typealias SlicedMatrix = Slices<PackedMatrix>

/// Where the neurons of an expert are in one of its matrices.
public enum NeuronAxis: String, Sendable {
  case rows, columns
}
