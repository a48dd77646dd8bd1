public import Foundation

/// A memory-mapped safetensors file; tensors are read from the map when they are asked for.
public final class SafeTensorsFile: Sendable {
  private let file: MappedFile
  private let header: SafeTensorsHeader

  /// Maps the file and checks its header.
  ///
  /// - Throws: ``CheckpointError``.
  public init(_ url: URL) throws(CheckpointError) {
    file = try MappedFile(url)
    header = try SafeTensorsHeader(file)
  }

  private init(_ file: MappedFile, _ header: SafeTensorsHeader) {
    (self.file, self.header) = (file, header)
  }

  /// The same file with fused tensors seen as their parts.
  func splitting(_ fused: FusedExperts) -> SafeTensorsFile {
    SafeTensorsFile(file, header.splitting(fused))
  }

  public var path: String { file.path }
  /// Size of the file in bytes, header included.
  public var byteCount: Int { file.count }
  public var tensors: [String: TensorInfo] { header.tensors }
  public var metadata: [String: String] { header.metadata }

  /// Calls `body` with a tensor's bytes: little-endian, row-major, possibly not aligned to the
  /// element size, valid only inside.
  ///
  /// - Throws: ``CheckpointError/missingTensor(directory:tensor:)``, and what `body` throws.
  public func withBytes<Result>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard let range = header.ranges[name] else {
      throw CheckpointError.missingTensor(directory: path, tensor: name)
    }
    return try file.withBytes(in: range, body)
  }

  /// Gives the memory of a tensor's pages back to the system; an unknown name has none.
  public func releasePages(of name: String) {
    guard let range = header.ranges[name] else { return }
    file.releasePages(in: range)
  }
}
