public import Foundation

/// A safetensors file whose tensors become known one after the other: sizes too, so that the header
/// comes last.
///
/// Tensors are kept in a file beside the one to be written and copied behind the header in the end;
/// one at a time is in memory. The result is, byte for byte, that of ``SafeTensorsWriter``. It appears
/// under its name with ``commit(metadata:)``; without that nothing is left.
public final class SafeTensorsSpool {
  private let url: URL
  private let file: AtomicFile
  private var tensors: [(info: TensorInfo, offset: Int)] = []
  private var names: Set<String> = []
  private var end = 0

  /// - Parameter url: The file to write.
  /// - Throws: ``CheckpointError/cannotWrite(file:reason:)``.
  public init(_ url: URL) throws(CheckpointError) {
    self.url = url
    file = try AtomicFile(url)
  }

  /// Takes a tensor.
  ///
  /// - Throws: ``CheckpointError`` if there is one of the name, if its bytes do not match its shape,
  ///   or if they cannot be written.
  public func put(_ tensor: TensorPayload) throws(CheckpointError) {
    guard let info = TensorInfo(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape) else {
      throw .invalidShape(file: url.path, tensor: tensor.name, shape: tensor.shape)
    }
    guard names.insert(tensor.name).inserted else {
      throw .duplicateTensor(file: url.path, tensor: tensor.name)
    }
    guard tensor.bytes.count == info.byteCount else {
      throw .wrongByteCount(
        file: url.path, tensor: tensor.name, expected: info.byteCount, found: tensor.bytes.count)
    }
    try file.write(tensor.bytes, at: end)
    tensors.append((info, end))
    end += info.byteCount
  }

  /// Writes the file and puts it in its place.
  ///
  /// - Parameter metadata: The file's `__metadata__`; left out if empty.
  /// - Throws: ``CheckpointError``.
  public func commit(metadata: [String: String]) throws(CheckpointError) {
    let (header, offsets) = try SafeTensorsWriter.layout(
      of: tensors.map(\.info), metadata: metadata, file: url.path)
    let result = try AtomicFile(url)
    try result.write(header, at: 0)
    for (info, offset) in tensors.sorted(by: {
      (offsets[$0.0.name] ?? 0) < (offsets[$1.0.name] ?? 0)
    }) {
      try file.copy(
        offset..<offset + info.byteCount, to: result, at: offsets[info.name] ?? header.count)
    }
    try result.commit()
  }
}
