/// What a safetensors header says about one tensor.
public struct TensorInfo: Sendable, Equatable {
  public let name: String
  public let dtype: ElementType
  /// Sizes, outermost first; empty for a scalar.
  public let shape: [Int]
  /// Size in the file, in bytes.
  public let byteCount: Int

  /// Number of elements.
  public var elementCount: Int { byteCount / dtype.byteCount }
}
