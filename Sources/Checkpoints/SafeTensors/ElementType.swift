/// The element types of safetensors files that this package reads and writes.
///
/// The cases stand in the order in which the reference implementation ranks them: tensors of the
/// last case are stored first, which keeps every tensor aligned to its own element size.
public enum ElementType: String, Sendable, CaseIterable {
  case uint8 = "U8"
  case int8 = "I8"
  case uint16 = "U16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int32 = "I32"
  case uint32 = "U32"
  case float32 = "F32"
  case int64 = "I64"

  /// Size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .uint8, .int8: 1
    case .uint16, .float16, .bfloat16: 2
    case .int32, .uint32, .float32: 4
    case .int64: 8
    }
  }

  /// Whether the elements can be widened to 32-bit floats as weights.
  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .bfloat16, .float32: true
    case .uint8, .int8, .uint16, .int32, .uint32, .int64: false
    }
  }

  /// Bytes of a tensor of this type and shape; nil if a size is negative or the product overflows.
  public func byteCount(ofShape shape: [Int]) -> Int? {
    var product = byteCount
    for size in shape {
      let (next, overflows) = product.multipliedReportingOverflow(by: size)
      guard size >= 0, !overflows else { return nil }
      product = next
    }
    return product
  }
}
