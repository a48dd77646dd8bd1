public import Tensors

extension StoredMatrix {
  /// The bytes of the tensors that stand for a weight, as ``QuantizedCheckpoint`` reads them.
  ///
  /// - Parameters:
  ///   - weight: Name of the weight, ending in `.weight`.
  ///   - orderWeight: Name of the weight beside which an order of neurons lies; nil: this one.
  /// - Returns: Codes and what goes with them, then the sparse part.
  public func payloads(weight: String, orderWeight: String? = nil) -> [TensorPayload] {
    switch self {
    case .packed(let matrix): matrix.payloads(weight: weight)
    case .inputGrouped(let matrix): matrix.transposed.payloads(weight: weight)
    case .codebooks(let matrix): matrix.payloads(weight: weight)
    case .sliced(let matrix):
      matrix.payloads(weight: weight, orderWeight: orderWeight ?? weight) {
        $0.payloads(weight: $1)
      }
    case .slicedCodebooks(let matrix):
      matrix.payloads(weight: weight, orderWeight: orderWeight ?? weight) {
        $0.payloads(weight: $1)
      }
    case .withSparse(let dense, let sparse):
      dense.payloads(weight: weight, orderWeight: orderWeight) + sparse.payloads(weight: weight)
    }
  }

  /// The metadata entries of ``QuantizedCheckpoint``; a sparse part needs none.
  ///
  /// - Parameters: As ``payloads(weight:orderWeight:)``.
  public func layoutEntries(weight: String, orderWeight: String? = nil) -> [String: String] {
    switch self {
    case .packed(let matrix): [weight: matrix.layoutEntry]
    case .inputGrouped(let matrix):
      [weight: "\(StoredForm.inputChannel.rawValue)/\(matrix.transposed.layoutEntry)"]
    case .codebooks(let matrix): [weight: matrix.layoutEntry]
    case .sliced(let matrix):
      matrix.layoutEntries(weight: weight, orderWeight: orderWeight ?? weight, \.layoutEntry)
    case .slicedCodebooks(let matrix):
      matrix.layoutEntries(weight: weight, orderWeight: orderWeight ?? weight, \.layoutEntry)
    case .withSparse(let dense, _): dense.layoutEntries(weight: weight, orderWeight: orderWeight)
    }
  }
}

/// First part of a metadata entry; an entry that begins with a number is of ``PackedTensors``.
enum StoredForm: String {
  case slices
  case codebooks
  case inputChannel = "input-channel"

  init?(entry: String) {
    self.init(rawValue: String(entry.prefix { $0 != "/" }))
  }
}

extension CodebookMatrix {
  /// `….codes` and `….codebooks`, F16 `[rows, groups, 2^bits]`.
  func payloads(weight: String) -> [TensorPayload] {
    let stem = weight.dropLast("weight".count)
    return [
      TensorPayload(name: "\(stem)codes", dtype: .uint8, shape: [rows, rowBytes], bytes: codes),
      TensorPayload(
        name: "\(stem)codebooks", dtype: .float16, shape: [rows, groups, 1 << bits],
        bytes: codebooks.littleEndianBytes),
    ]
  }

  var layoutEntry: String { "\(StoredForm.codebooks.rawValue)/\(bits)/\(groupSize)/\(columns)" }
}

extension SparseMatrix {
  /// `….sparse_rows`, `….sparse_columns` and `….sparse_values`.
  func payloads(weight: String) -> [TensorPayload] {
    let stem = weight.dropLast("weight".count)
    return [
      TensorPayload(
        name: "\(stem)sparse_rows", dtype: .uint32, shape: [rowStarts.count],
        bytes: rowStarts.littleEndianBytes),
      TensorPayload(
        name: "\(stem)sparse_columns", dtype: .uint16, shape: [count],
        bytes: columnIndices.littleEndianBytes),
      TensorPayload(
        name: "\(stem)sparse_values", dtype: .float16, shape: [count],
        bytes: values.littleEndianBytes),
    ]
  }
}

extension Array where Element: FixedWidthInteger {
  var littleEndianBytes: [UInt8] {
    flatMap { Swift.withUnsafeBytes(of: $0.littleEndian, Array<UInt8>.init) }
  }
}
