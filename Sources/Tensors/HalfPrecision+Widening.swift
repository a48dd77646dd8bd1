/// bfloat16 on processors that do not multiply it.
extension HalfPrecision {
  static func widened(_ value: UInt16) -> Float { Float(bitPattern: UInt32(value) << 16) }

  /// A copy in f32.
  static func widened(_ source: UnsafePointer<UInt16>, count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { target, initialized in
      for i in 0..<count { target.initializeElement(at: i, to: widened(source[i])) }
      initialized = count
    }
  }
}
