import BitAllocation
import Testing

/// METHODS §2.15 and §0.3: one recipe for Mixtral-8x7B in the conventions of several codes.
@Suite("Ledgers of other codes")
struct LedgerConventionTests {
  static let unquantizedWeights = 1_048_576 + 131_072_000 + 131_072_000 + 266_240

  /// One module per linear of Mixtral-8x7B; groups of 128, a scale of 16 bits and a packed zero.
  static func mixtral(attention: Double, experts: Double) -> [QuantizedModule] {
    (0..<32).flatMap { layer in
      [4096, 1024, 1024, 4096].map { module(.attention, rows: $0, columns: 4096, bits: attention) }
        + Array(
          repeating: module(.expert, rows: 3 * 14_336, columns: 4096, bits: experts, linears: 3),
          count: 8)
    }
  }

  static func module(
    _ part: ModelPart, rows: Int, columns: Int, bits: Double, linears: Int = 1, group: Int = 128
  ) -> QuantizedModule {
    let weights = rows * columns
    return QuantizedModule(
      name: part.rawValue, part: part, weights: weights, codeBits: bits * Double(weights),
      metadataBits: Double(weights / group) * (16 + bits), linears: linears, groupSize: group)
  }

  @Test(
    "attention at 4 bits gives the ladder of METHODS §0.3",
    arguments: [(2.0, 2.0578), (2.25, 2.3006), (2.5, 2.5434), (3, 3.0289)])
  func ladder(experts: Double, paper: Double) throws {
    let modules = Self.mixtral(attention: 4, experts: experts)
    for ledger in [Ledger.paperCodeBits, .evopress, .modeloptEffectiveBits] {
      // Published to four decimals.
      #expect(abs(try #require(ledger.value(of: modules)) - paper) <= 0.00005, "\(ledger)")
    }
    #expect(Ledger.expertCodeBits.value(of: modules) == experts)
    #expect(Ledger.alphaqBPP.value(of: modules) == experts)
  }

  @Test("2.5 bits read from 2.5 to 2.763, depending on the ledger")
  func spread() throws {
    let modules = Self.mixtral(attention: 4, experts: 2.5)
    let other = UnquantizedTensors(
      weights: Self.unquantizedWeights, bits: 16 * Double(Self.unquantizedWeights))
    let values = Ledger.values(of: modules, unquantized: other)
    let wanted: [(Ledger, Double, Double)] = [
      (.expertCodeBits, 2.5, 1e-12), (.alphaqBPP, 2.5, 1e-12),
      (.paperCodeBits, 2.543, 0.0005), (.withMetadata, 2.688, 0.0005),
      // b + (16 + b) / 128 of the mean bits is the same as the metadata of these modules.
      (.autoround, 2.688, 0.0005), (.mxmoe, 2.75, 1e-12), (.prismaquant, 2.668, 0.0005),
      (.ggufBPW, 2.763, 0.0005),
    ]
    for (ledger, value, tolerance) in wanted {
      let got = try #require(values[ledger.rawValue])
      #expect(abs(got - value) <= tolerance, "\(ledger.rawValue): \(got)")
    }
    #expect(values["exl2"] == nil && values["true-bytes"] == nil)
    // The file, but for headers.
    let gigabytes = try #require(values["gguf-bpw"]) * 46_702_792_704 / 8 / 1e9
    #expect(abs(gigabytes - 16.13) <= 0.005)
  }

  @Test("the overhead of a group is 16, 16 + b or 32 bits", arguments: [2, 3, 4], [32, 64, 128])
  func groupOverhead(bits: Int, group: Int) throws {
    // METHODS §0.3, rows b = 2, 3, 4; columns g = 32, 64, 128.
    let table: [Int: [Int: (Double, Double, Double)]] = [
      2: [32: (2.5, 2.5625, 3), 64: (2.25, 2.28125, 2.5), 128: (2.125, 2.140625, 2.25)],
      3: [32: (3.5, 3.59375, 4), 64: (3.25, 3.296875, 3.5), 128: (3.125, 3.1484375, 3.25)],
      4: [32: (4.5, 4.625, 5), 64: (4.25, 4.3125, 4.5), 128: (4.125, 4.15625, 4.25)],
    ]
    let (symmetric, packedZero, halfZero) = try #require(table[bits]?[group])
    let module = Self.module(.expert, rows: 4, columns: 256, bits: Double(bits), group: group)
    #expect(Ledger.prismaquant.value(of: [module]) == symmetric)
    #expect(Ledger.autoround.value(of: [module]) == packedZero)
    #expect(Ledger.withMetadata.value(of: [module]) == packedZero)
    #expect(Ledger.mxmoe.value(of: [module]) == halfZero)
  }

  @Test("one bit in groups of 128 is MxMoE's w1 of 1.25")
  func oneBit() {
    let module = Self.module(.expert, rows: 4, columns: 256, bits: 1)
    #expect(Ledger.mxmoe.value(of: [module]) == 1.25)
  }

  @Test("AlphaQ counts linears and not their sizes")
  func unweighted() {
    let modules = [
      Self.module(.expert, rows: 1, columns: 128, bits: 4),
      Self.module(.expert, rows: 99, columns: 128, bits: 2),
      Self.module(.attention, rows: 5, columns: 128, bits: 8),
    ]
    #expect(Ledger.alphaqBPP.value(of: modules) == 3)
    #expect(Ledger.expertCodeBits.value(of: modules) == 2.02)
  }

  @Test("an additive ledger is the sum of its costs over its denominator")
  func additivity() throws {
    var modules = Self.mixtral(attention: 4, experts: 2.5)
    for index in modules.indices { modules[index].exl2Bits = Double(index) }
    let other = UnquantizedTensors(weights: 10, bits: 160)
    for ledger in Ledger.allCases {
      guard ledger.isAdditive else {
        #expect(ledger == .trueBytes && ledger.value(of: modules) == nil)
        continue
      }
      let costs = modules.compactMap { ledger.cost(of: $0) }
      #expect(costs.count == modules.count)
      let fixed = ledger == .ggufBPW ? other.bits : 0
      let denominator = try #require(ledger.denominator(of: modules, unquantized: other))
      let value = try #require(ledger.value(of: modules, unquantized: other))
      // Some hundred terms, added in another order.
      #expect(abs((costs.reduce(0, +) + fixed) / denominator - value) < 1e-12 * value)
      for part in ModelPart.allCases where !ledger.counts(part) {
        let cost = ledger.cost(of: try #require(modules.first { $0.part == part }))
        #expect(cost == 0)
      }
    }
  }

  @Test("a ledger that lacks a group size, a size or a tensor has no value")
  func undetermined() {
    var module = Self.module(.expert, rows: 4, columns: 128, bits: 3)
    #expect(Ledger.exl2.value(of: [module]) == nil)
    #expect(Ledger.ggufBPW.value(of: [module]) == nil)
    for groupSize in [nil, 0] {
      module.groupSize = groupSize
      for ledger in [Ledger.mxmoe, .autoround, .prismaquant] {
        #expect(ledger.value(of: [module]) == nil)
      }
    }
    for ledger in Ledger.allCases { #expect(ledger.value(of: []) == nil) }
    let empty = QuantizedModule(
      name: "", part: .expert, weights: 0, codeBits: 0, metadataBits: 0, groupSize: 128)
    for ledger in Ledger.allCases { #expect(ledger.value(of: [empty]) == nil) }
  }

  @Test("ledgers with the scope of the experts ignore attention")
  func scopes() {
    let experts = Ledger.allCases.filter { !$0.counts(.attention) }
    #expect(experts == [.expertCodeBits, .alphaqBPP, .mxmoe])
    #expect(Ledger.allCases.allSatisfy { $0.counts(.expert) })
  }
}
