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
    Matrix(joining: slices.map { $0.dequantized() }, along: axis, order: order)
  }
}

extension Matrix {
  /// Parts of an expert's matrix side by side, with every neuron in its place.
  ///
  /// - Parameters:
  ///   - parts: Slices of neurons.
  ///   - axis: Where neurons are.
  ///   - order: The neuron at each position, counted through the parts.
  public init(joining parts: [Matrix], along axis: NeuronAxis, order: [Int]) {
    let (rows, columns) = (parts.first?.rows ?? 0, parts.first?.columns ?? 0)
    self.init(
      rows: axis == .rows ? order.count : rows, columns: axis == .columns ? order.count : columns)
    var start = 0
    for part in parts {
      for row in 0..<part.rows {
        for column in 0..<part.columns {
          switch axis {
          case .rows: self[order[start + row], column] = part[row, column]
          case .columns: self[row, order[start + column]] = part[row, column]
          }
        }
      }
      start += axis == .rows ? part.rows : part.columns
    }
  }
}

/// The slices of affine grids that plans of several bit-widths give.
public typealias SlicedMatrix = Slices<PackedMatrix>

/// Where the neurons of an expert are in one of its matrices.
public enum NeuronAxis: String, Sendable {
  case rows, columns
}
