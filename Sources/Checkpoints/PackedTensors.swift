import Tensors

/// How a packed weight is stored, known before it is quantized.
public struct PackedTensors: Sendable, Equatable {
  public var rows: Int
  public var columns: Int
  public var bits: Int
  /// Columns that share a scale.
  public var groupSize: Int
  public var symmetric: Bool
  /// Whether the group of every column is stored, because groups follow another order.
  public var hasGroupIndex: Bool

  public init(
    rows: Int, columns: Int, bits: Int, groupSize: Int, symmetric: Bool, hasGroupIndex: Bool
  ) {
    (self.rows, self.columns, self.bits) = (rows, columns, bits)
    (self.groupSize, self.symmetric) = (groupSize, symmetric)
    self.hasGroupIndex = hasGroupIndex
  }

  private var groups: Int { (columns + groupSize - 1) / groupSize }

  /// The tensors that ``QuantizedCheckpoint`` reads.
  ///
  /// - Parameter weight: Name of the weight, ending in `.weight`.
  /// - Returns: Codes, scales and, if there are any, zeros and group index.
  public func tensors(of weight: String) -> [TensorInfo] {
    let stem = String(weight.dropLast("weight".count))
    let zeros = BitStream.byteCount(codes: rows * groups, bits: bits)
    let parts: [(String, ElementType, [Int])] =
      [
        ("codes", .uint8, [rows, BitStream.byteCount(codes: columns, bits: bits)]),
        ("scales", .float16, [rows, groups]),
      ] + (symmetric ? [] : [("zeros", .uint8, [zeros])])
      + (hasGroupIndex ? [("group_index", .int32, [columns])] : [])
    return parts.compactMap { part, type, shape in
      TensorInfo(name: stem + part, dtype: type, shape: shape)
    }
  }

  /// The metadata entry of ``QuantizedCheckpoint``.
  public var layoutEntry: String { "\(bits)/\(groupSize)/\(columns)" }
}

extension PackedMatrix {
  /// The form of ``payloads(weight:)``.
  public var storage: PackedTensors {
    PackedTensors(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric,
      hasGroupIndex: groupIndex != nil)
  }

  /// The bytes of the tensors that stand for a weight, as ``PackedTensors/tensors(of:)`` announces
  /// them.
  ///
  /// - Parameter weight: Name of the weight, ending in `.weight`.
  /// - Returns: Codes, scales and, if there are any, zeros and group index.
  public func payloads(weight: String) -> [TensorPayload] {
    let index = (groupIndex ?? []).littleEndianBytes
    let bytes =
      [codes, scales.littleEndianBytes]
      + (symmetric ? [] : [BitStream.packed(zeros, bits: bits)])
      + (groupIndex == nil ? [] : [index])
    return zip(storage.tensors(of: weight), bytes).map { info, bytes in
      TensorPayload(name: info.name, dtype: info.dtype, shape: info.shape, bytes: bytes)
    }
  }

  /// The metadata entry of ``QuantizedCheckpoint``.
  public var layoutEntry: String { storage.layoutEntry }
}
