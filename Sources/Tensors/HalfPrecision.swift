/// Whole-buffer conversions between 32-bit floats and the two 16-bit formats of checkpoints.
///
/// bfloat16 has no Swift type; its bit patterns travel as `UInt16`.
public enum HalfPrecision {
  /// Widens bfloat16 bit patterns; exact.
  public static func float32(fromBFloat16 source: UnsafeBufferPointer<UInt16>) -> [Float] {
    [Float](unsafeUninitializedCapacity: source.count) { target, count in
      for i in 0..<source.count {
        target.initializeElement(
          at: i, to: Float(bitPattern: UInt32(source[i]) << 16))
      }
      count = source.count
    }
  }

  /// Widens IEEE binary16 bit patterns; exact.
  public static func float32(fromFloat16 source: UnsafeBufferPointer<UInt16>) -> [Float] {
    [Float](unsafeUninitializedCapacity: source.count) { target, count in
      for i in 0..<source.count {
        target.initializeElement(at: i, to: Float(Float16(bitPattern: source[i])))
      }
      count = source.count
    }
  }

  /// Rounds to bfloat16, ties to even; NaN stays NaN.
  @inlinable public static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let rounded = (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16
    let quiet = (bits >> 16) | 0x0040
    return UInt16(truncatingIfNeeded: bits & 0x7FFF_FFFF > 0x7F80_0000 ? quiet : rounded)
  }

  /// Rounds every element to bfloat16, ties to even.
  public static func bfloat16(_ source: [Float]) -> [UInt16] {
    [UInt16](unsafeUninitializedCapacity: source.count) { target, count in
      for i in 0..<source.count {
        target.initializeElement(at: i, to: bfloat16(source[i]))
      }
      count = source.count
    }
  }

  /// Rounds `count` floats to bfloat16 side by side, ties to even.
  public static func bfloat16(
    _ source: UnsafePointer<Float>, count: Int, to target: UnsafeMutablePointer<UInt16>
  ) {
    // SAFETY: every chunk writes its own range of `target`.
    nonisolated(unsafe) let (source, target) = (source, target)
    forEachChunk(of: count, size: 1 << 16) { range in
      for i in range { target[i] = bfloat16(source[i]) }
    }
  }

  /// The nearest value that binary16 can hold; overflows become the largest finite value.
  @inlinable public static func roundedToFloat16(_ value: Float) -> Float {
    let half = Float16(value)
    guard half.isInfinite, value.isFinite else { return Float(half) }
    let largest = Float(Float16.greatestFiniteMagnitude)
    return value < 0 ? -largest : largest
  }
}
