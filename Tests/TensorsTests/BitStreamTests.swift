import Statistics
import Tensors
import Testing

@Suite("Bit streams")
struct BitStreamTests {
  /// METHODS §5.2: codes (5i + 1) mod 2^b, i in 0..<32, as little-endian 32-bit words.
  static let goldenWords: [(bits: Int, words: [UInt32])] = [
    (2, [0x3939_3939, 0x3939_3939]),
    (3, [0xF19D_50F1, 0x50F1_9D50, 0x9D50_F19D]),
    (4, [0x4FA5_0B61, 0xC72D_83E9, 0x4FA5_0B61, 0xC72D_83E9]),
    (5, [0xF558_2CC1, 0xDC4D_C927, 0x6ED1_61C5, 0xD9A3_D450, 0xE5E4_D40F]),
    (
      8,
      [
        0x100B_0601, 0x241F_1A15, 0x3833_2E29, 0x4C47_423D, 0x605B_5651, 0x746F_6A65,
        0x8883_7E79, 0x9C97_928D,
      ]
    ),
  ]

  @Test("codes are packed into GPTQ's words", arguments: goldenWords)
  func wordsAreGolden(bits: Int, words: [UInt32]) {
    let codes = (0..<32).map { UInt8(truncatingIfNeeded: (5 * $0 + 1) % (1 << bits)) }
    let bytes = words.flatMap { word in (0..<4).map { UInt8(word >> (8 * $0) & 0xFF) } }
    #expect(BitStream.packed(codes, bits: bits) == bytes)
  }

  @Test("unpacking undoes packing", arguments: 1...8, [0, 1, 7, 8, 33])
  func roundTrips(bits: Int, count: Int) {
    var random = SeededGenerator(seed: UInt64(bits * 100 + count))
    let codes = (0..<count).map { _ in UInt8(random.below(1 << bits)) }
    let bytes = BitStream.packed(codes, bits: bits)
    #expect(bytes.count == BitStream.byteCount(codes: count, bits: bits))
    #expect(BitStream.unpacked(bytes.span, bits: bits, count: count) == codes)
  }
}
