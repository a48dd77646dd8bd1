import Tensors
import Testing

@Suite("16-bit formats")
struct HalfPrecisionTests {
  @Test("bfloat16 rounds to nearest, ties to even")
  func bfloat16Ties() {
    // Significands of 8 bits: the step at 1 is 2⁻⁷, so odd multiples of 2⁻⁸ are ties.
    #expect(HalfPrecision.bfloat16(1 + 0x1p-8) == 0x3F80)
    #expect(HalfPrecision.bfloat16(1 + 0x3p-8) == 0x3F82)
    #expect(HalfPrecision.bfloat16((1 + 0x1p-8 as Float).nextUp) == 0x3F81)
    #expect(HalfPrecision.bfloat16((1 + 0x3p-8 as Float).nextDown) == 0x3F81)
    #expect(HalfPrecision.bfloat16(-(1 + 0x3p-8)) == 0xBF82)
    #expect(HalfPrecision.bfloat16(-0.0) == 0x8000)
  }

  @Test("bfloat16 keeps infinities; what is beyond its range becomes one")
  func bfloat16Range() {
    #expect(HalfPrecision.bfloat16(.infinity) == 0x7F80)
    #expect(HalfPrecision.bfloat16(-.infinity) == 0xFF80)
    #expect(HalfPrecision.bfloat16(.greatestFiniteMagnitude) == 0x7F80)
  }

  @Test("a NaN stays one, even if its payload is in the bits that are cut off")
  func bfloat16NaN() {
    for bits: UInt32 in [0x7F80_0001, 0xFF80_0001, 0x7FC0_0000, 0x7FFF_FFFF, 0xFFFF_FFFF] {
      let rounded = HalfPrecision.bfloat16(Float(bitPattern: bits))
      #expect(Float(bitPattern: UInt32(rounded) << 16).isNaN, "\(bits)")
    }
  }

  @Test("every bfloat16 number survives widening and rounding")
  func bfloat16RoundTrip() {
    let all = (0...UInt16.max).filter { !Float(bitPattern: UInt32($0) << 16).isNaN }
    let widened = all.withUnsafeBufferPointer(HalfPrecision.float32(fromBFloat16:))
    #expect(HalfPrecision.bfloat16(widened) == all)
  }

  @Test("whole buffers round as single numbers do, beyond one chunk too")
  func buffers() {
    let values = uniform(70_001, seed: 8)
    let expected = values.map { HalfPrecision.bfloat16($0) }
    var target = [UInt16](repeating: 0, count: values.count)
    HalfPrecision.bfloat16(values, count: values.count, to: &target)
    #expect(target == expected)
    #expect(HalfPrecision.bfloat16(values) == expected)
  }

  @Test("every binary16 pattern widens as Float16 does")
  func float16Widening() {
    let all = Array(0...UInt16.max)
    let widened = all.withUnsafeBufferPointer(HalfPrecision.float32(fromFloat16:))
    let expected = all.map { Float(Float16(bitPattern: $0)) }
    #expect(widened.map { $0.isNaN ? 0 : $0 } == expected.map { $0.isNaN ? 0 : $0 })
    #expect(widened.map(\.isNaN) == expected.map(\.isNaN))
  }

  @Test("rounding to binary16 is to even, and what overflows becomes the largest number")
  func float16Rounding() {
    // Above 2,048 the step is 2.
    #expect(HalfPrecision.roundedToFloat16(2049) == 2048)
    #expect(HalfPrecision.roundedToFloat16(2051) == 2052)
    #expect(HalfPrecision.roundedToFloat16(65_504) == 65_504)
    #expect(HalfPrecision.roundedToFloat16(65_520) == 65_504)
    #expect(HalfPrecision.roundedToFloat16(-1e30) == -65_504)
    #expect(HalfPrecision.roundedToFloat16(.infinity) == .infinity)
    #expect(HalfPrecision.roundedToFloat16(.nan).isNaN)
    // Half of the smallest subnormal, 2⁻²⁴, is a tie with zero.
    #expect(HalfPrecision.roundedToFloat16(0x1p-25) == 0)
  }
}
