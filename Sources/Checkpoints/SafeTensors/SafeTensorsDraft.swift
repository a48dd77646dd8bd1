public import Foundation

/// A safetensors file in the making: its header is known, its tensors come one after the other in
/// any order, so that only one of them is in memory.
///
/// It appears under its name with ``commit()``; without that nothing is left.
public final class SafeTensorsDraft {
  private let path: String
  private let file: AtomicFile
  private var pending: [String: (info: TensorInfo, offset: Int)]

  /// Writes the header.
  ///
  /// - Parameters:
  ///   - tensors: All that the file will hold, in any order.
  ///   - metadata: The file's `__metadata__`; left out if empty.
  ///   - url: The file to write.
  /// - Throws: ``CheckpointError`` if a name is given twice or reserved, or if the file cannot be
  ///   written.
  public init(
    _ tensors: [TensorInfo], metadata: [String: String], to url: URL
  ) throws(CheckpointError) {
    path = url.path
    let (header, offsets) = try SafeTensorsWriter.layout(
      of: tensors, metadata: metadata, file: path)
    file = try AtomicFile(url)
    try file.write(header, at: 0)
    pending = Dictionary(
      uniqueKeysWithValues: tensors.map { ($0.name, ($0, offsets[$0.name] ?? 0)) })
  }

  /// Writes a tensor.
  ///
  /// - Parameters:
  ///   - name: One of those announced, once.
  ///   - bytes: Little-endian, row-major.
  /// - Throws: ``CheckpointError`` if the tensor was not announced or is there already, if the bytes
  ///   do not match its shape, or if they cannot be written.
  public func put(_ name: String, bytes: [UInt8]) throws(CheckpointError) {
    guard let (info, offset) = pending.removeValue(forKey: name) else {
      throw .duplicateTensor(file: path, tensor: name)
    }
    guard bytes.count == info.byteCount else {
      throw .wrongByteCount(
        file: path, tensor: name, expected: info.byteCount, found: bytes.count)
    }
    try file.write(bytes, at: offset)
  }

  /// Puts the file in its place.
  ///
  /// - Throws: ``CheckpointError`` if a tensor is missing, or if the file cannot be synced.
  public func commit() throws(CheckpointError) {
    if let name = pending.keys.sorted().first {
      throw .missingTensor(directory: path, tensor: name)
    }
    try file.commit()
  }
}
