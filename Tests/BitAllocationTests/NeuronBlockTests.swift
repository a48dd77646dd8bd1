import BitAllocation
import Statistics
import Testing

@Suite("Allocators of units on blocks of neurons")
struct NeuronBlockTests {
  /// Losses that fall with bits; neurons by their drop from the lowest bits to the highest.
  private func table(_ neurons: [Int], seed: UInt64, bits: [Int] = [2, 3, 4]) throws -> NeuronTable
  {
    var random = SeededGenerator(seed: seed)
    return try NeuronTable(
      bits: bits,
      experts: neurons.enumerated().map { index, count in
        let losses = (0..<count).map { _ in
          let size = Float(random.below(1000) + 1)
          return bits.map { size / Float(1 << (2 * $0)) }
        }
        let drops = losses.map { $0[0] - $0[bits.count - 1] }
        return NeuronTable.Expert(
          id: "layers.\(index).experts.1", layer: index, expert: 1, weightsPerNeuron: 12,
          loss: losses.flatMap(\.self),
          order: drops.indices.sorted { (drops[$1], $0) < (drops[$0], $1) }.map { Int32($0) })
      })
  }

  @Test("a block loses and costs what its neurons do, and the last may be short")
  func blocks() throws {
    let table = try table([10, 4], seed: 1)
    let blocks = try table.blockTable(size: 4)
    #expect(
      blocks.units.map(\.id) == [
        "layers.0.experts.1.neurons.0", "layers.0.experts.1.neurons.1",
        "layers.0.experts.1.neurons.2", "layers.1.experts.1.neurons.0",
      ])
    #expect(blocks.units.map(\.weights) == [48, 48, 24, 48])
    #expect(blocks.weights == table.weights)
    let expert = table.experts[0]
    let second = expert.order[4..<8].reduce(0.0) { $0 + Double(expert.loss[Int($1) * 3 + 1]) }
    #expect(blocks.units[1].levels[1].loss == second)
    #expect(blocks.units[1].levels[1].codeBits == 3 * 48)
  }

  @Test(
    "every allocator of losses keeps the budget, and its slices are what it decided",
    arguments: [
      "uniform", "random", "greedy", "exact", "evolutionary", "evopress", "random-search",
    ])
  func allocators(name: String) throws {
    let table = try table([40, 33, 64, 20], seed: 3)
    let blocks = try table.blockTable(size: 8)
    var options = SearchOptions()
    options.generations = 20
    options.evaluations = 200
    let budget = name == "uniform" ? 3 : 2.6
    let allocation = try Allocators.named(name, law: .fill, search: options)
      .allocate(
        AllocationProblem(
          table: blocks, budget: Budget(bounds: [Budget.Bound(.experts, budget)])), seed: 5)
    let found = BlockAllocation(allocation, of: table, blockSize: 8)
    try found.plan.check(against: table, blockSize: 8)
    #expect(found.bits <= budget + 1e-9)
    #expect(found.rank == 2...4)
    let loss = try #require(found.loss)
    #expect(loss == table.loss(of: found.plan))
    let certificate = try #require(found.certificate)
    #expect(certificate.lowerBound <= loss && certificate.gap >= 0)
    // Neurons are in rank order: the blocks of more bits are those that gain the most by them.
    #expect(loss <= (try #require(allocation.objective)) * (1 + 1e-9) || found.bits < budget)
  }

  @Test("exact blocks lose no more than exact neurons rounded down to blocks")
  func againstRounding() throws {
    for seed in 0..<8 as Range<UInt64> {
      let table = try table([64, 96, 32], seed: seed)
      let rounded = try NeuronAllocation(exact: table, budget: 2.7, blockSize: 8)
      let options = try Allocators.named("exact", law: nil, search: SearchOptions())
      let exact = BlockAllocation(
        try options.allocate(
          AllocationProblem(
            table: table.blockTable(size: 8),
            budget: Budget(bounds: [Budget.Bound(.experts, 2.7)])), seed: 0),
        of: table, blockSize: 8)
      let optimum = try #require(rounded.optimum).certificate.lowerBound
      let (blocks, slices) = (try #require(exact.loss), try #require(rounded.loss))
      #expect(optimum <= blocks + 1e-12 && blocks <= slices + 1e-12)
    }
  }

  @Test("a short block at high bits is rounded down, never up")
  func shortBlock() throws {
    let table = try table([10], seed: 2)
    let blocks = try table.blockTable(size: 4)
    let plan = Plan(
      entries: zip(blocks.units, [2.0, 2, 4]).map { Plan.Entry(unit: $0.id, bits: $1) })
    #expect(
      table.plan(ofBlocks: plan, size: 4).entries[0].slices == [NeuronSlice(bits: 2, neurons: 10)])
  }

  @Test("experts without tokens are named by an allocator that needs their losses")
  func unmeasured() throws {
    var experts = try table([8, 8], seed: 1).experts
    experts[1].loss = []
    let blocks = try NeuronTable(bits: [2, 3, 4], experts: experts).blockTable(size: 4)
    #expect(blocks.units.map { $0.levels[0].loss == nil } == [false, false, true, true])
    #expect(throws: AllocationError.self) {
      try Allocators.named("exact", law: nil, search: SearchOptions()).allocate(
        AllocationProblem(
          table: blocks, budget: Budget(bounds: [Budget.Bound(.experts, 3)])), seed: 0)
    }
  }
}
