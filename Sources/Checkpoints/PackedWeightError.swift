/// Why a packed weight cannot be read.
public enum PackedWeightError: Error, Equatable, CustomStringConvertible {
  case badLayout(path: String, weight: String, found: String)
  case missing(path: String, weight: String, part: String)
  case wrongSize(path: String, part: String, expected: Int, found: Int)
  case wrongShape(path: String, weight: String, expected: [Int], found: [Int])
  case wrongGroup(path: String, part: String, groups: Int, found: Int)
  case notFinite(path: String, part: String, index: Int, value: Float)
  case wrongOrder(path: String, part: String, neuron: Int)
  case wrongSparse(path: String, weight: String, reason: String)

  public var description: String {
    switch self {
    case .badLayout(let path, let weight, let found):
      "\(path): metadata of '\(weight)' is '\(found)', expected 'bits/groupSize/columns', "
        + "alone or after 'codebooks/' or 'input-channel/', or 'slices/axis/count/weight'. Quantize "
        + "the model again."
    case .missing(let path, let weight, let part):
      "\(path): '\(weight)' lacks its '\(part)'. Quantize the model again."
    case .wrongSize(let path, let part, let expected, let found):
      "\(path): '\(part)' holds \(found) bytes, expected \(expected). Quantize the model again."
    case .wrongOrder(let path, let part, let neuron):
      "\(path): '\(part)' names neuron \(neuron), which there is not or which was named before. "
        + "Quantize the model again."
    case .wrongSparse(let path, let weight, let reason):
      "\(path): the sparse part of '\(weight)' is damaged: \(reason). Quantize the model again."
    case .wrongGroup(let path, let part, let groups, let found):
      "\(path): '\(part)' names group \(found) of \(groups). Quantize the model again."
    case .notFinite(let path, let part, let index, let value):
      "\(path): '\(part)' holds \(value) at element \(index), stored values must be finite. Quantize "
        + "the model again."
    case .wrongShape(let path, let weight, let expected, let found):
      "\(path): '\(weight)' has shape \(found), config.json asks for \(expected). "
        + "Check that config.json and the weights belong together."
    }
  }
}
