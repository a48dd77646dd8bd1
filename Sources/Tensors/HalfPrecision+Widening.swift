/// bfloat16 on processors that do not multiply it.
extension HalfPrecision {
  /// Which operand a widened copy is of: both are needed at once.
  enum Operand { case inputs, weights }

  // SAFETY: every worker has its own memory in them.
  nonisolated(unsafe) private static let inputs = ScratchBuffer<Float>()
  nonisolated(unsafe) private static let weights = ScratchBuffer<Float>()

  static func widened(_ value: UInt16) -> Float { Float(bitPattern: UInt32(value) << 16) }

  /// A copy in f32, valid until the next of the same operand on the same worker.
  static func widened(
    _ source: UnsafePointer<UInt16>, count: Int, of operand: Operand
  ) -> UnsafePointer<Float> {
    let target = (operand == .inputs ? inputs : weights).reserve(count)
    for i in 0..<count { target[i] = widened(source[i]) }
    return UnsafePointer(target)
  }
}
