/// What a safetensors header says about one tensor.
public struct TensorInfo: Sendable, Equatable {
  public let name: String
  public let dtype: ElementType
  /// Sizes, outermost first; empty for a scalar.
  public let shape: [Int]
  /// Size in the file, in bytes.
  public let byteCount: Int

  /// Describes a tensor; nil if a size is negative or the byte count overflows.
  public init?(name: String, dtype: ElementType, shape: [Int]) {
    guard let byteCount = dtype.byteCount(ofShape: shape) else { return nil }
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.byteCount = byteCount
  }

  /// Number of elements.
  public var elementCount: Int { byteCount / dtype.byteCount }
}
