public import Foundation
import JSON

/// A tensor to be written.
public struct TensorPayload: Sendable, Equatable {
  public var name: String
  public var dtype: ElementType
  /// Sizes, outermost first; empty for a scalar.
  public var shape: [Int]
  /// Elements, little-endian, row-major.
  public var bytes: [UInt8]

  public init(name: String, dtype: ElementType, shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }
}

/// Writes safetensors files, byte for byte the same for the same content.
///
/// Tensors are stored by element type, widest first, then by name, as the reference implementation
/// does: so every tensor is aligned to its element size. Metadata keys are sorted; the header is
/// padded with spaces to a multiple of 8 bytes.
public enum SafeTensorsWriter {
  static let metadataKey = "__metadata__"

  /// Writes tensors that are in memory, in place of any earlier file; after a failure the earlier
  /// file is untouched.
  ///
  /// - Throws: ``CheckpointError`` if a name is given twice or reserved, if bytes do not match the
  ///   shape, or if the file cannot be written.
  public static func write(
    _ tensors: [TensorPayload], metadata: [String: String], to url: URL
  ) throws {
    var bytesOfTensor: [String: [UInt8]] = [:]
    let infos = try tensors.map { tensor in
      bytesOfTensor[tensor.name] = tensor.bytes
      guard let info = TensorInfo(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
      else {
        throw CheckpointError.invalidShape(
          file: url.path, tensor: tensor.name, shape: tensor.shape)
      }
      return info
    }
    try write(infos, metadata: metadata, to: url) { bytesOfTensor[$0.name] ?? [] }
  }

  /// Writes tensors whose bytes are made one after the other, so that only one is in memory.
  ///
  /// - Parameters:
  ///   - tensors: What the header will say, in any order.
  ///   - metadata: The file's `__metadata__`; left out if empty.
  ///   - url: The file to write.
  ///   - bytes: The bytes of a tensor, little-endian, row-major; called once for each.
  /// - Throws: As ``write(_:metadata:to:)``, and what `bytes` throws.
  public static func write(
    _ tensors: [TensorInfo], metadata: [String: String], to url: URL,
    bytes: (TensorInfo) throws -> [UInt8]
  ) throws {
    let draft = try SafeTensorsDraft(tensors, metadata: metadata, to: url)
    for tensor in tensors { try draft.put(tensor.name, bytes: try bytes(tensor)) }
    try draft.commit()
  }

  /// Where each tensor lies behind the header, and the header.
  static func layout(
    of tensors: [TensorInfo], metadata: [String: String], file: String
  ) throws(CheckpointError) -> (header: [UInt8], offsets: [String: Int]) {
    try checkNames(tensors, file: file)
    let ordered = tensors.sorted(by: isStoredBefore)
    let header = header(of: ordered, metadata: metadata)
    var offsets: [String: Int] = [:]
    var end = header.count
    for tensor in ordered {
      offsets[tensor.name] = end
      end += tensor.byteCount
    }
    return (header, offsets)
  }

  private static func checkNames(_ tensors: [TensorInfo], file: String) throws(CheckpointError) {
    var names: Set<String> = []
    for tensor in tensors {
      guard tensor.name != metadataKey else {
        throw .reservedName(file: file, tensor: tensor.name)
      }
      guard names.insert(tensor.name).inserted else {
        throw .duplicateTensor(file: file, tensor: tensor.name)
      }
    }
  }

  private static let rankOfType = Dictionary(
    uniqueKeysWithValues: ElementType.allCases.enumerated().map { ($1, $0) })

  private static func isStoredBefore(_ left: TensorInfo, _ right: TensorInfo) -> Bool {
    let (leftRank, rightRank) = (rankOfType[left.dtype] ?? 0, rankOfType[right.dtype] ?? 0)
    guard leftRank == rightRank else { return leftRank > rightRank }
    return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
  }

  /// Length and JSON, padded.
  private static func header(of tensors: [TensorInfo], metadata: [String: String]) -> [UInt8] {
    var entries: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        .map { "\(CanonicalJSON.string($0.key)):\(CanonicalJSON.string($0.value))" }
      entries.append("\(CanonicalJSON.string(metadataKey)):{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.byteCount
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(CanonicalJSON.string(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var json = Array("{\(entries.joined(separator: ","))}".utf8)
    while !json.count.isMultiple(of: 8) { json.append(UInt8(ascii: " ")) }
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
  }
}
