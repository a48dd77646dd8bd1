import Checkpoints
import Tensors

/// A weight as it is stored.
struct QuantizedWeight {
  let matrix: StoredMatrix
  /// The weight beside which the order of its neurons lies; nil: this one, or there is none.
  var orderBeside: String?

  init(_ matrix: StoredMatrix, orderBeside: String? = nil) {
    (self.matrix, self.orderBeside) = (matrix, orderBeside)
  }

  func payloads(of weight: String) -> [TensorPayload] {
    matrix.payloads(weight: weight, orderWeight: orderBeside)
  }

  func layoutEntries(of weight: String) -> [String: String] {
    matrix.layoutEntries(weight: weight, orderWeight: orderBeside)
  }

  /// Bits of the order of neurons, where it lies beside this weight.
  func orderBits(of weight: String) -> Int {
    guard let order = matrix.neuronOrder, weight == orderBeside ?? weight else { return 0 }
    return order.count * SlicedTensors.bits(neurons: order.count)
  }
}
