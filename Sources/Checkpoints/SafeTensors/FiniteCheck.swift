/// The search for NaN and infinities in weights.
public enum FiniteCheck {
  /// Index of the first element that is NaN or infinite, or nil.
  public static func firstNonFinite(in values: [Float]) -> Int? {
    firstIndex(in: values) { $0.bitPattern & 0x7F80_0000 == 0x7F80_0000 }
  }

  /// Index of the first bfloat16 bit pattern that is NaN or infinite, or nil.
  public static func firstNonFinite(inBFloat16 patterns: [UInt16]) -> Int? {
    firstIndex(in: patterns) { $0 & 0x7F80 == 0x7F80 }
  }

  /// The first element of a stored tensor that is NaN or infinite, or nil; integers are finite.
  ///
  /// - Parameters:
  ///   - bytes: Little-endian, of any alignment.
  ///   - type: Of the elements.
  /// - Returns: Its index and value. A block at a time is copied.
  static func firstNonFinite(
    in bytes: UnsafeRawBufferPointer, stored type: ElementType
  ) -> (index: Int, value: Float)? {
    guard type.isFloatingPoint else { return nil }
    let block = 65_536 * type.byteCount
    for start in stride(from: 0, to: bytes.count, by: block) {
      let end = min(start + block, bytes.count)
      let values = WeightDecoder.floats(
        UnsafeRawBufferPointer(rebasing: bytes[start..<end]), stored: type)
      if let index = firstNonFinite(in: values) {
        return (start / type.byteCount + index, values[index])
      }
    }
    return nil
  }

  /// Whole blocks are tested without an exit inside, so that the test is vectorized.
  @inline(__always)
  private static func firstIndex<Element>(
    in values: [Element], where isBad: (Element) -> Bool
  ) -> Int? {
    let blockSize = 4_096
    for start in stride(from: 0, to: values.count, by: blockSize) {
      let block = start..<min(start + blockSize, values.count)
      var isAnyBad = false
      for index in block { isAnyBad = isBad(values[index]) || isAnyBad }
      if isAnyBad { return block.first { isBad(values[$0]) } }
    }
    return nil
  }
}
