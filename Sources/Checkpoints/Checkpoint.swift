public import Foundation
public import Tensors

/// A checkpoint folder in Hugging Face layout: `config.json` and safetensors weights in one file or
/// in shards.
///
/// Nothing is read but the headers until a tensor is asked for. `model.safetensors` comes before
/// `model.safetensors.index.json` if both exist, as in `transformers`.
public struct Checkpoint: Sendable {
  public let directory: URL
  public let configuration: ModelConfiguration
  private let weights: WeightFiles

  /// Reads configuration and headers.
  ///
  /// - Throws: ``CheckpointError``, ``ConfigurationError``.
  public init(_ directory: URL) throws {
    self.directory = directory
    configuration = try ModelConfiguration(
      directory.appendingPathComponent(ModelConfiguration.fileName))
    weights = try WeightFiles(
      directory, fused: FusedExperts(architecture: configuration.architecture))
  }

  /// Names of all tensors, sorted.
  public var tensorNames: [String] { weights.fileOfTensor.keys.sorted() }

  /// Names of the files in ``directory`` that define the model's content, sorted: configuration,
  /// weights and, for shards, their index.
  public var files: [String] { ([ModelConfiguration.fileName] + weights.fileNames).sorted() }

  /// Number of weights: elements of all F32, F16 and BF16 tensors.
  public var parameterCount: Int {
    weights.fileOfTensor.reduce(0) { sum, entry in
      guard let info = entry.value.tensors[entry.key], info.dtype.isFloatingPoint else {
        return sum
      }
      return sum + info.elementCount
    }
  }

  /// What the header says about a tensor.
  ///
  /// - Throws: ``CheckpointError/missingTensor(directory:tensor:)``.
  public func info(_ name: String) throws -> TensorInfo { try tensor(name).info }

  /// A weight matrix widened to 32-bit floats, exactly.
  ///
  /// - Throws: ``CheckpointError`` if the tensor is missing, is not of shape `[rows, columns]`,
  ///   is not of a floating-point type, or holds NaN or infinity.
  public func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    let values = try floats(name, shape: [rows, columns])
    return Matrix(rows: rows, columns: columns, storage: values)
  }

  /// A weight vector widened to 32-bit floats, exactly.
  ///
  /// - Throws: As ``matrix(_:rows:columns:)``, for shape `[count]`.
  public func vector(_ name: String, count: Int) throws -> [Float] {
    try floats(name, shape: [count])
  }

  /// The bit patterns of a matrix stored as BF16, shape `[rows, columns]`; nil if it is stored in
  /// another type.
  ///
  /// - Throws: As ``matrix(_:rows:columns:)``.
  public func bfloat16(_ name: String, rows: Int, columns: Int) throws -> [UInt16]? {
    let (file, info) = try tensor(name, shape: [rows, columns])
    guard info.dtype == .bfloat16 else { return nil }
    let patterns = try file.withBytes(of: name) { WeightDecoder.copy($0, as: UInt16.self) }
    if let index = FiniteCheck.firstNonFinite(inBFloat16: patterns) {
      let value = Float(bitPattern: UInt32(patterns[index]) << 16)
      throw CheckpointError.notFinite(file: file.path, tensor: name, index: index, value: value)
    }
    return patterns
  }

  /// Calls `body` with a tensor's raw bytes, as ``SafeTensorsFile/withBytes(of:_:)``.
  ///
  /// - Throws: ``CheckpointError/missingTensor(directory:tensor:)``, and what `body` throws.
  public func withBytes<Result>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try tensor(name).file.withBytes(of: name, body)
  }

  /// A copy of a tensor's bytes, for a checkpoint that keeps it as it is.
  ///
  /// - Throws: ``CheckpointError`` if the tensor is missing, or holds NaN or infinity.
  public func finiteBytes(of name: String) throws -> [UInt8] {
    let (file, info) = try tensor(name)
    return try file.withBytes(of: name) { bytes in
      if let found = FiniteCheck.firstNonFinite(in: bytes, stored: info.dtype) {
        throw CheckpointError.notFinite(
          file: file.path, tensor: name, index: found.index, value: found.value)
      }
      return Array(bytes)
    }
  }

  /// Gives the memory of a tensor's pages back, so that resident memory stays flat while layers are
  /// read one after the other; an unknown name has none.
  public func releasePages(of name: String) {
    weights.fileOfTensor[name]?.releasePages(of: name)
  }

  private func tensor(
    _ name: String, shape: [Int]? = nil
  ) throws(CheckpointError) -> (file: SafeTensorsFile, info: TensorInfo) {
    guard let file = weights.fileOfTensor[name], let info = file.tensors[name] else {
      throw .missingTensor(directory: directory.path, tensor: name)
    }
    guard shape == nil || shape == info.shape else {
      throw .wrongShape(file: file.path, tensor: name, expected: shape ?? [], found: info.shape)
    }
    return (file, info)
  }

  private func floats(_ name: String, shape: [Int]) throws -> [Float] {
    try tensor(name).file.floats(name, shape: shape)
  }
}
