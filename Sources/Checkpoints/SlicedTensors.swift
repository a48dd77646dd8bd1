import Tensors

/// Names of a weight whose neurons lie in slices of different bits.
///
/// Slice k is a weight of its own, `….sliceK.codes` and so on. The order of the neurons is stored once
/// for the three matrices of an expert, beside gate: `….neuron_order`, U8, a dense little-endian bit
/// stream of ⌈log₂ neurons⌉ bits a position.
public enum SlicedTensors {
  /// The name that a slice has as a weight.
  public static func slice(_ index: Int, of weight: String) -> String {
    "\(weight.dropLast("weight".count))slice\(index).weight"
  }

  /// The weight that a stored tensor is a part of.
  ///
  /// - Parameter name: Such as `….codes` or `….slice1.scales`.
  /// - Returns: `….weight`; nil for a bias, which is no part of a weight.
  public static func weight(ofPart name: String) -> String? {
    guard !name.hasSuffix(".bias"), !name.hasSuffix(".weight") else { return nil }
    var parts = name.split(separator: ".").dropLast()
    if let last = parts.last, last.hasPrefix("slice"), Int(last.dropFirst(5)) != nil {
      parts = parts.dropLast()
    }
    return (parts + ["weight"]).joined(separator: ".")
  }

  /// Where the order lies beside a weight.
  public static func order(beside weight: String) -> String {
    "\(weight.dropLast("weight".count))neuron_order"
  }

  /// Bits that name one of so many neurons.
  public static func bits(neurons: Int) -> Int {
    max(Int.bitWidth - (max(neurons, 1) - 1).leadingZeroBitCount, 1)
  }
}

extension Slices {
  /// The bytes of all slices, and the order if it lies beside this weight.
  ///
  /// - Parameters:
  ///   - weight: Name of the weight, ending in `.weight`.
  ///   - orderWeight: Name of the weight beside which the order lies.
  ///   - part: Those of a slice under the name that it has as a weight.
  /// - Returns: Slice after slice.
  func payloads(
    weight: String, orderWeight: String, _ part: (Part, String) -> [TensorPayload]
  ) -> [TensorPayload] {
    let parts = slices.enumerated().flatMap { part($1, SlicedTensors.slice($0, of: weight)) }
    guard weight == orderWeight else { return parts }
    let bytes = BitStream.packed(
      indices: order, bits: SlicedTensors.bits(neurons: order.count))
    return parts + [
      TensorPayload(
        name: SlicedTensors.order(beside: weight), dtype: .uint8, shape: [bytes.count],
        bytes: bytes)
    ]
  }

  /// Metadata entries of the weight and its slices.
  func layoutEntries(
    weight: String, orderWeight: String, _ entry: (Part) -> String
  ) -> [String: String] {
    var entries = [weight: "slices/\(axis.rawValue)/\(slices.count)/\(orderWeight)"]
    for (index, slice) in slices.enumerated() {
      entries[SlicedTensors.slice(index, of: weight)] = entry(slice)
    }
    return entries
  }
}

/// `slices/axis/count/weight` of a sliced weight.
struct SlicedLayout {
  let axis: NeuronAxis
  let count: Int
  let orderWeight: String

  init(entry: String, weight: String, path: String) throws(PackedWeightError) {
    let parts = entry.split(separator: "/", maxSplits: 3).map(String.init)
    guard parts.count == 4, let axis = NeuronAxis(rawValue: parts[1]),
      let count = Int(parts[2]), (1...8).contains(count)
    else { throw .badLayout(path: path, weight: weight, found: entry) }
    (self.axis, self.count, orderWeight) = (axis, count, parts[3])
  }
}
