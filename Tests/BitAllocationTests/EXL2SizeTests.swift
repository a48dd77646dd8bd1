import BitAllocation
import Testing

/// METHODS §2.10.
@Suite("Size in EXL2")
struct EXL2SizeTests {
  @Test("5 % at 3 bits and 95 % at 2, groups of 64, by hand")
  func twoStrips() throws {
    let size = try EXL2Size(
      inputs: 4096, outputs: 1024,
      strips: [
        EXL2Strip(share: 0.05, bits: 3, groupSize: 64),
        EXL2Strip(share: 0.95, bits: 2, groupSize: 64),
      ])
    // 204.8 rows become 4 groups of 64; 3,840 rows are left, 60 groups.
    #expect(size.groups == 64)
    #expect(size.codeBits == 256 * 3 * 1024 + 3840 * 2 * 1024)
    // 1,024 + 2,048 + 262,144 + 131,072.
    #expect(size.metadataBits == 64 * 16 + 64 * 32 + 64 * 1024 * 4 + 4096 * 32)
    #expect(size.bits == 8_650_752 + 396_288)
    #expect(size.weights == 4_194_304)
    #expect(size.bitsPerWeight == 9_047_040.0 / 4_194_304)
  }

  @Test("three strips with groups of their own, a short last group and a bias, by hand")
  func unevenStrips() throws {
    // 11 · 128 = 1,408 rows and 8 more: 70.8 → 3 groups of 32, 283.2 → 5 of 64, then 1,000 rows
    // in 16 groups of 64 of which the last has 40.
    let size = try EXL2Size(
      inputs: 1416, outputs: 96,
      strips: [
        EXL2Strip(share: 0.05, bits: 6, groupSize: 32),
        EXL2Strip(share: 0.2, bits: 3, groupSize: 64),
        EXL2Strip(share: 0.75, bits: 2, groupSize: 64),
      ], hasBias: true)
    #expect(size.groups == 3 + 5 + 16)
    #expect(size.codeBits == (96 * 6 + 320 * 3 + 1000 * 2) * 96)
    #expect(size.metadataBits == 24 * 16 + 24 * 32 + 24 * 96 * 4 + 1416 * 32 + 96 * 16)
  }

  @Test("4 bits in groups of 128 are 4.15 bits on a large matrix")
  func uniform() throws {
    let size = try EXL2Size(
      inputs: 4096, outputs: 14_336, strips: [EXL2Strip(share: 1, bits: 4, groupSize: 128)])
    // 4 + 4 / 128 + 48 / (128 · 14,336) + 32 / 14,336.
    let wanted = 4 + 4.0 / 128 + 48 / (128 * 14_336.0) + 32 / 14_336.0
    #expect(abs(size.bitsPerWeight - wanted) < 1e-15 * 8)
  }

  @Test("a later strip gets nothing once the rows are used up")
  func exhausted() throws {
    let size = try EXL2Size(
      inputs: 32, outputs: 8,
      strips: [
        EXL2Strip(share: 0.5, bits: 4, groupSize: 32),
        EXL2Strip(share: 0.5, bits: 2, groupSize: 32),
      ])
    #expect(size.groups == 1)
    #expect(size.codeBits == 32 * 8 * 4)
  }

  @Test("the ledger reads the sizes")
  func ledger() throws {
    let modules = try [256, 512].map { outputs in
      let size = try EXL2Size(
        inputs: 128, outputs: outputs, strips: [EXL2Strip(share: 1, bits: 3, groupSize: 128)])
      return QuantizedModule(
        name: "\(outputs)", part: .expert, weights: size.weights, codeBits: Double(size.codeBits),
        metadataBits: Double(size.metadataBits), exl2Bits: Double(size.bits))
    }
    // Per matrix: 3 · 128 · o codes, 48 + 4 o for the group, 4,096 for the permutation.
    let bits = 384 * 768 + 2 * (48 + 4096) + 4 * 768
    #expect(Ledger.exl2.value(of: modules) == Double(bits) / Double(128 * 768))
  }

  @Test("shapes, strips and shares that make no sense are refused")
  func refusals() {
    let strip = EXL2Strip(share: 1, bits: 4, groupSize: 128)
    #expect(throws: EXL2SizeError.badShape(inputs: 0, outputs: 8)) {
      try EXL2Size(inputs: 0, outputs: 8, strips: [strip])
    }
    #expect(throws: EXL2SizeError.badShape(inputs: 8, outputs: .max)) {
      try EXL2Size(inputs: 8, outputs: .max, strips: [strip])
    }
    let bad = [
      EXL2Strip(share: .infinity, bits: 4, groupSize: 128),
      EXL2Strip(share: 1, bits: 0, groupSize: 128), EXL2Strip(share: 1, bits: 4, groupSize: 0),
    ]
    for strip in bad {
      #expect(throws: EXL2SizeError.badStrip(strip, index: 0)) {
        try EXL2Size(inputs: 8, outputs: 8, strips: [strip])
      }
    }
    #expect(throws: EXL2SizeError.uncoveredRows(64, of: 128)) {
      try EXL2Size(
        inputs: 128, outputs: 8, strips: [EXL2Strip(share: 0.5, bits: 4, groupSize: 32)])
    }
    #expect(
      EXL2SizeError.uncoveredRows(64, of: 128).description
        == "The shares leave 64 of 128 input rows without bits; they must add up to 1.")
  }
}
