public import Tensors

/// How a weight whose neurons lie in slices of different bits is stored, known before it is
/// quantized.
///
/// Slice k is a packed weight of its own, `….sliceK.codes` and so on. The order of the neurons is
/// stored once for the three matrices of an expert, beside gate: `….neuron_order`, U8, a dense
/// little-endian bit stream of ⌈log₂ neurons⌉ bits a position.
public struct SlicedTensors: Sendable, Equatable {
  public var axis: SlicedMatrix.Axis
  public var slices: [PackedTensors]
  /// Name of the weight beside which the order lies.
  public var orderWeight: String

  public init(along axis: SlicedMatrix.Axis, slices: [PackedTensors], orderWeight: String) {
    (self.axis, self.slices, self.orderWeight) = (axis, slices, orderWeight)
  }

  /// The metadata entry of ``QuantizedCheckpoint``.
  public var layoutEntry: String { "slices/\(axis.rawValue)/\(slices.count)/\(orderWeight)" }

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

  private var neurons: Int {
    slices.reduce(0) { $0 + (axis == .rows ? $1.rows : $1.columns) }
  }

  /// The tensors that ``QuantizedCheckpoint`` reads.
  ///
  /// - Parameter weight: Name of the weight, ending in `.weight`.
  /// - Returns: Those of all slices, and the order if it lies here.
  public func tensors(of weight: String) -> [TensorInfo] {
    let parts = slices.enumerated().flatMap { $1.tensors(of: Self.slice($0, of: weight)) }
    guard weight == orderWeight else { return parts }
    let bytes = BitStream.byteCount(codes: neurons, bits: Self.bits(neurons: neurons))
    let order = TensorInfo(name: Self.order(beside: weight), dtype: .uint8, shape: [bytes])
    return parts + (order.map { [$0] } ?? [])
  }

  /// Metadata entries of the weight and its slices.
  public func metadata(of weight: String) -> [String: String] {
    var entries = [weight: layoutEntry]
    for (index, slice) in slices.enumerated() {
      entries[Self.slice(index, of: weight)] = slice.layoutEntry
    }
    return entries
  }
}

extension SlicedMatrix {
  /// The bytes of the tensors that stand for a weight, as ``SlicedTensors/tensors(of:)`` announces
  /// them.
  ///
  /// - Parameters:
  ///   - weight: Name of the weight, ending in `.weight`.
  ///   - orderWeight: Name of the weight beside which the order lies.
  /// - Returns: Those of all slices, and the order if it lies here.
  public func payloads(weight: String, orderWeight: String) -> [TensorPayload] {
    let parts = slices.enumerated().flatMap {
      $1.payloads(weight: SlicedTensors.slice($0, of: weight))
    }
    guard weight == orderWeight else { return parts }
    let bytes = BitStream.packed(
      indices: order, bits: SlicedTensors.bits(neurons: order.count))
    return parts + [
      TensorPayload(
        name: SlicedTensors.order(beside: weight), dtype: .uint8, shape: [bytes.count],
        bytes: bytes)
    ]
  }
}

/// `slices/axis/count/weight` of a sliced weight.
struct SlicedLayout {
  let axis: SlicedMatrix.Axis
  let count: Int
  let orderWeight: String

  /// nil for the entry of a weight in one piece.
  init?(entry: String, weight: String, path: String) throws(PackedWeightError) {
    let parts = entry.split(separator: "/", maxSplits: 3).map(String.init)
    guard parts.first == "slices" else { return nil }
    guard parts.count == 4, let axis = SlicedMatrix.Axis(rawValue: parts[1]),
      let count = Int(parts[2]), (1...8).contains(count)
    else { throw .badLayout(path: path, weight: weight, found: entry) }
    (self.axis, self.count, orderWeight) = (axis, count, parts[3])
  }
}
