import Tensors

/// A projection that is multiplied from its packed form, slices of neurons by slice.
struct PackedProjection: Sendable {
  /// A slice, or the whole.
  fileprivate struct Part: Sendable {
    let weights: PackedLinear
    /// Input at each column of the slice; nil: the same.
    var inputs: [Int]?
    /// Output at each row of the slice; nil: the same.
    var outputs: [Int]?
  }

  let rows: Int
  let columns: Int
  /// That one vector reads.
  let bytes: Int
  fileprivate let parts: [Part]
  private let activations: Activations

  /// - Parameters:
  ///   - stored: nil is returned for forms without kernels.
  ///   - activations: What inputs are taken for.
  init?(_ stored: StoredMatrix, activations: Activations) {
    self.activations = activations
    switch stored.dense {
    case .packed(let packed): parts = [Part(weights: PackedLinear(packed, sparse: stored.sparse))]
    case .sliced(let sliced): parts = Self.parts(of: sliced, sparse: stored.sparse)
    default: return nil
    }
    (rows, columns) = (stored.rows, stored.columns)
    bytes = parts.reduce(0) { $0 + $1.weights.bytes }
  }

  private static func parts(of sliced: SlicedMatrix, sparse: SparseMatrix?) -> [Part] {
    var start = 0
    return sliced.slices.map { slice in
      let count = sliced.axis == .rows ? slice.rows : slice.columns
      let neurons = Array(sliced.order[start..<start + count])
      start += count
      let weights = PackedLinear(
        slice, sparse: sparse.map { part(of: $0, neurons: neurons, along: sliced.axis) })
      return sliced.axis == .rows
        ? Part(weights: weights, outputs: neurons) : Part(weights: weights, inputs: neurons)
    }
  }

  /// The elements of some neurons, numbered as these are.
  private static func part(
    of sparse: SparseMatrix, neurons: [Int], along axis: SlicedMatrix.Axis
  ) -> SparseMatrix {
    let places = Dictionary(uniqueKeysWithValues: neurons.enumerated().map { ($1, $0) })
    let elements = sparse.elements.compactMap { element in
      places[axis == .rows ? element.row : element.column].map { place in
        SparseMatrix.Element(
          row: axis == .rows ? place : element.row,
          column: axis == .rows ? element.column : place, value: element.value)
      }
    }
    return SparseMatrix(
      rows: axis == .rows ? neurons.count : sparse.rows,
      columns: axis == .rows ? sparse.columns : neurons.count, elements: elements)
  }

  /// - Parameters:
  ///   - x: `[count, columns]`.
  ///   - count: Vectors.
  ///   - y: Written, output i of vector n at `n · stride + i`.
  ///   - stride: At least ``rows``.
  func apply(
    _ x: UnsafePointer<Float>, count: Int, to y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    if let only = parts.first, parts.count == 1, only.inputs == nil, only.outputs == nil,
      stride == rows
    {
      return only.weights.multiply(x, count: count, to: y, activations: activations)
    }
    for (index, part) in parts.enumerated() {
      apply(
        part, x, batch: count, to: y, stride: stride, adding: index > 0 && part.inputs != nil)
    }
  }

  private func apply(
    _ part: Part, _ x: UnsafePointer<Float>, batch: Int, to y: UnsafeMutablePointer<Float>,
    stride: Int, adding: Bool
  ) {
    let (width, height) = (part.weights.columns, part.weights.rows)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: batch * (width + height)) { room in
      guard let product = room.baseAddress else { return }
      var input = x
      if let inputs = part.inputs {
        let gathered = product + batch * height
        for n in 0..<batch {
          for (place, neuron) in inputs.enumerated() {
            gathered[n * width + place] = x[n * columns + neuron]
          }
        }
        input = UnsafePointer(gathered)
      }
      part.weights.multiply(input, count: batch, to: product, activations: activations)
      for n in 0..<batch {
        let (source, target) = (product + n * height, y + n * stride)
        if let outputs = part.outputs {
          for (place, neuron) in outputs.enumerated() { target[neuron] = source[place] }
        } else if adding {
          for i in 0..<height { target[i] += source[i] }
        } else {
          target.update(from: source, count: height)
        }
      }
    }
  }
}

extension PackedExpert {
  /// Three projections that lie in the same slices, whose neurons need not be put in order between
  /// them; nil for others.
  init?(gate: PackedProjection, up: PackedProjection, down: PackedProjection) {
    let parts = zip(zip(gate.parts, up.parts), down.parts)
    guard gate.parts.count == up.parts.count, gate.parts.count == down.parts.count,
      parts.allSatisfy({ parts, down in
        parts.0.outputs == down.inputs && parts.1.outputs == down.inputs
          && parts.0.inputs == nil && parts.1.inputs == nil && down.outputs == nil
      })
    else { return nil }
    self.init(
      slices: parts.map { Slice(gate: $0.0.weights, up: $0.1.weights, down: $1.weights) })
  }
}
