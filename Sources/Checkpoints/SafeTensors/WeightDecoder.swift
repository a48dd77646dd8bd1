import Tensors

/// From the little-endian bytes of a file to elements in memory; Swift runs on little-endian hosts
/// wherever this package does.
enum WeightDecoder {
  /// Widens floating-point elements to 32 bits, exactly.
  static func floats(_ bytes: UnsafeRawBufferPointer, stored type: ElementType) -> [Float] {
    switch type {
    case .float32: copy(bytes, as: Float.self)
    case .float16: withAligned(bytes) { HalfPrecision.float32(fromFloat16: $0) }
    case .bfloat16: withAligned(bytes) { HalfPrecision.float32(fromBFloat16: $0) }
    case .uint8, .int8, .uint16, .int32, .uint32, .int64:
      preconditionFailure("\(type.rawValue) is not a floating-point type")
    }
  }

  /// Copies elements out of bytes of any alignment.
  static func copy<Element: BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, as type: Element.Type
  ) -> [Element] {
    let count = bytes.count / MemoryLayout<Element>.stride
    return [Element](unsafeUninitializedCapacity: count) { target, initialized in
      UnsafeMutableRawBufferPointer(target).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[..<(count * MemoryLayout<Element>.stride)]))
      initialized = count
    }
  }

  /// Headers need not be padded, so that data may start at an odd address; then a copy is made.
  private static func withAligned(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<UInt16>) -> [Float]
  ) -> [Float] {
    guard Int(bitPattern: bytes.baseAddress).isMultiple(of: MemoryLayout<UInt16>.alignment) else {
      return copy(bytes, as: UInt16.self).withUnsafeBufferPointer(body)
    }
    // SAFETY: aligned by the test above, read-only, and every bit pattern is a UInt16.
    return body(bytes.assumingMemoryBound(to: UInt16.self))
  }
}
