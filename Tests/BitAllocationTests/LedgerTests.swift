import BitAllocation
import Testing

/// METHODS §0.3: Mixtral-8x7B.
@Suite("Ledgers on Mixtral-8x7B")
struct LedgerTests {
  static let attentionWeights = 1_342_177_280
  static let expertWeights = 45_097_156_608
  /// Router, embeddings, head and norms, kept in 16 bits.
  static let otherWeights = 1_048_576 + 131_072_000 + 131_072_000 + 266_240

  /// Attention at 4 bits, experts at a mean of `bits`; groups of 128, asymmetric, packed zeros.
  static func modules(experts bits: Double) -> [QuantizedModule] {
    [
      module(.attention, weights: attentionWeights, bits: 4),
      module(.expert, weights: expertWeights, bits: bits),
    ]
  }

  static func module(_ part: ModelPart, weights: Int, bits: Double) -> QuantizedModule {
    let groups = Double(weights / 128)
    return QuantizedModule(
      name: part.rawValue, part: part, weights: weights, codeBits: bits * Double(weights),
      metadataBits: groups * (16 + bits))
  }

  @Test(
    "paper-code-bits with attention at 4 is the published ladder",
    arguments: [
      (1.5, 1.572), (1.625, 1.694), (1.75, 1.815), (1.875, 1.936), (2, 2.058), (2.25, 2.301),
      (2.5, 2.543), (2.75, 2.786), (3, 3.029), (3.5, 3.515),
    ])
  func paperLadder(experts: Double, paper: Double) throws {
    let modules = Self.modules(experts: experts)
    let bits = try #require(Ledger.paperCodeBits.value(of: modules))
    // Published to three decimals; 3.515 is 3.51445 rounded twice.
    #expect(abs(bits - paper) < 0.00056)
    #expect(Ledger.expertCodeBits.value(of: modules) == experts)
  }

  @Test(
    "with-metadata and file size are the published ones",
    arguments: [
      (2.0, 2.199, 13.29), (2.5, 2.688, 16.13), (3, 3.178, 18.97), (3.5, 3.667, 21.81),
      (4, 4.156, 24.65),
    ])
  func metadata(experts: Double, bits: Double, gigabytes: Double) throws {
    let modules = Self.modules(experts: experts)
    let value = try #require(Ledger.withMetadata.value(of: modules))
    #expect(abs(value - bits) <= 0.0005 + 1e-9)
    let quantized = modules.reduce(0) { $0 + $1.codeBits + $1.metadataBits } / 8
    let bytes = Int(quantized) + 2 * Self.otherWeights
    #expect(abs(Double(bytes) / 1e9 - gigabytes) <= 0.005)
    #expect(Ledger.values(of: modules, fileBytes: bytes)["true-bytes"] == Double(bytes))
  }

  @Test("2.5 bits are 2.763 bits per weight of the file")
  func trueBits() {
    let modules = Self.modules(experts: 2.5)
    let quantized = modules.reduce(0) { $0 + $1.codeBits + $1.metadataBits }
    let all = Self.attentionWeights + Self.expertWeights + Self.otherWeights
    #expect(all == 46_702_792_704)
    let bits = (quantized + 16 * Double(Self.otherWeights)) / Double(all)
    #expect(abs(bits - 2.763) <= 0.0005)
  }

  @Test(
    "a group costs 16 bits if symmetric, 16 + b if asymmetric",
    arguments: [
      (2, 32, 2.5, 2.5625), (2, 64, 2.25, 2.28125), (2, 128, 2.125, 2.140625),
      (3, 32, 3.5, 3.59375), (3, 64, 3.25, 3.296875), (3, 128, 3.125, 3.1484375),
      (4, 32, 4.5, 4.625), (4, 64, 4.25, 4.3125), (4, 128, 4.125, 4.15625),
    ])
  func groupOverhead(bits: Int, group: Int, symmetric: Double, asymmetric: Double) {
    for (zero, wanted) in [(0, symmetric), (bits, asymmetric)] {
      let module = QuantizedModule(
        name: "one group", part: .expert, weights: group, codeBits: Double(bits * group),
        metadataBits: Double(16 + zero))
      #expect(Ledger.withMetadata.value(of: [module]) == wanted)
    }
  }

  @Test("ledgers without weights, or without a file, have no value")
  func empty() {
    #expect(Ledger.values(of: []).isEmpty)
    let attention = [Self.module(.attention, weights: 1280, bits: 4)]
    #expect(Ledger.expertCodeBits.value(of: attention) == nil)
    #expect(
      Set(Ledger.values(of: attention).keys) == [
        "paper-code-bits", "with-metadata", "evopress", "modelopt-effective-bits",
      ])
  }

  @Test("an allocation reads the ledgers over attention where it is given")
  func allocationLedgers() throws {
    var table = try SensitivityTable.grid(layers: 1, experts: 8, levels: [2, 2.5])
    let attention = [module(weights: 128, bits: 4)]
    func bits() throws -> [String: Double] {
      try UniformAllocator().allocate(
        AllocationProblem(
          table: table, budget: Budget(experts: 2.5, attention: 4), attention: attention), seed: 0
      ).bits
    }
    #expect(
      try bits() == [
        "expert-code-bits": 2.5, "alphaq-bpp": 2.5, "paper-code-bits": 2.8, "evopress": 2.8,
        "modelopt-effective-bits": 2.8,
      ])
    var units = table.units
    for unit in units.indices {
      for level in units[unit].levels.indices { units[unit].levels[level].metadataBits = 16 }
    }
    table = try SensitivityTable(units: units)
    // (512 * 2.5 + 8 * 16 + 128 * 4 + 16) / 640
    #expect(try bits()["with-metadata"] == 3.025)
  }

  @Test("attention above its budget is refused")
  func attentionBudget() throws {
    let problem = AllocationProblem(
      table: try .grid(layers: 1, experts: 2, levels: [2, 3]),
      budget: Budget(experts: 2, attention: 3), attention: [module(weights: 128, bits: 4)])
    #expect(
      throws: AllocationError.infeasible(bound: "attention", value: 3, nearest: 4)
    ) { try UniformAllocator().allocate(problem, seed: 0) }
  }

  private func module(weights: Int, bits: Double) -> QuantizedModule {
    QuantizedModule(
      name: "q", part: .attention, weights: weights, codeBits: bits * Double(weights),
      metadataBits: 16)
  }
}
