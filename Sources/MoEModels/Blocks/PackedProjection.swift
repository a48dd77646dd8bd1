import Tensors

/// A projection that is multiplied from its packed form, slices of neurons by slice.
struct PackedProjection: Sendable {
  /// A slice, or the whole.
  private struct Part: Sendable {
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
  private let parts: [Part]

  /// - Parameter stored: nil is returned for forms without kernels.
  init?(_ stored: StoredMatrix) {
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
    for start in Swift.stride(from: 0, to: count, by: 8) {
      let batch = min(8, count - start)
      for (index, part) in parts.enumerated() {
        apply(
          part, x + start * columns, batch: batch, to: y + start * stride, stride: stride,
          adding: index > 0 && part.inputs != nil)
      }
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
      part.weights.multiply(input, count: batch, to: product)
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
