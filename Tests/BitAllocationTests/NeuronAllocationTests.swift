import BitAllocation
import Statistics
import Testing

@Suite("Allocation over neurons")
struct NeuronAllocationTests {
  /// Experts with losses that fall with bits, in an order by drop from lowest to highest.
  private func table(
    neurons: [Int], weightsPerNeuron: [Int], bits: [Int] = [2, 3, 4], seed: UInt64,
    runs: Int = 1
  ) throws -> NeuronTable {
    var random = SeededGenerator(seed: seed)
    var experts: [NeuronTable.Expert] = []
    for (index, count) in neurons.enumerated() {
      var losses: [[Float]] = []
      while losses.count < count {
        let size = Float(random.below(1000) + 1)
        let row = bits.map { size / Float(1 << (2 * $0)) + Float(random.below(10)) / 1000 }
        for _ in 0..<min(runs, count - losses.count) { losses.append(row.sorted(by: >)) }
      }
      let drops = losses.map { $0[0] - $0[bits.count - 1] }
      let order = drops.indices.sorted { (drops[$1], $0) < (drops[$0], $1) }
      experts.append(
        NeuronTable.Expert(
          id: "layers.\(index).experts.0", layer: index, expert: 0,
          weightsPerNeuron: weightsPerNeuron[index], loss: losses.flatMap(\.self),
          order: order.map { Int32($0) }))
    }
    return try NeuronTable(bits: bits, experts: experts)
  }

  /// The least loss within the budget over all choices.
  private func bruteForce(_ table: NeuronTable, budget: Double) -> Double {
    let levels = table.bits.count
    let neurons = table.experts.flatMap { expert in
      (0..<expert.neurons).map { neuron in
        (0..<levels).map {
          (
            cost: expert.weightsPerNeuron * table.bits[$0],
            loss: Double(expert.loss[neuron * levels + $0])
          )
        }
      }
    }
    func least(_ index: Int, _ left: Double) -> Double {
      guard index < neurons.count else { return 0 }
      return neurons[index].filter { Double($0.cost) <= left }.map {
        $0.loss + least(index + 1, left - Double($0.cost))
      }.min() ?? .infinity
    }
    return least(0, budget * Double(table.weights) + 1e-9)
  }

  @Test("the optimum before rounding is that of all choices", arguments: 0..<12 as Range<UInt64>)
  func optimum(seed: UInt64) throws {
    let table = try table(
      neurons: [3, 4, 2], weightsPerNeuron: [6, 4, 10], seed: seed)
    for budget in [2, 2.3, 2.75, 3.6, 4] {
      let allocation = try NeuronAllocation(exact: table, budget: budget, blockSize: 1)
      let optimum = try #require(allocation.optimum)
      let expected = bruteForce(table, budget: budget)
      #expect(abs(optimum.certificate.objective - expected) <= 1e-12 * expected, "\(budget)")
      #expect(optimum.certificate.isOptimal)
      #expect(optimum.certificate.lowerBound <= expected)
      #expect(optimum.bits <= budget + 1e-12)
      #expect(allocation.bits == optimum.bits)
    }
  }

  @Test("a plan is the counts of the optimum rounded down to blocks, hence within the budget")
  func roundedDown() throws {
    let table = try table(
      neurons: [100, 448, 64, 20], weightsPerNeuron: [48, 48, 96, 32], seed: 5)
    for budget in [2.1, 2.5, 3, 3.3] {
      let neurons = try NeuronAllocation(exact: table, budget: budget, blockSize: 1)
      let blocks = try NeuronAllocation(exact: table, budget: budget, blockSize: 32)
      #expect(blocks.optimum == neurons.optimum)
      #expect(blocks.bits <= budget)
      try blocks.plan.check(against: table)
      for (expert, (fine, coarse)) in zip(
        table.experts, zip(neurons.plan.entries, blocks.plan.entries))
      {
        for bits in table.bits {
          func count(_ entry: NeuronPlan.Entry) -> Int {
            entry.slices.filter { $0.bits >= bits }.reduce(0) { $0 + $1.neurons }
          }
          let exact = count(fine)
          #expect(count(coarse) == (exact == expert.neurons ? exact : exact / 32 * 32))
        }
      }
      let loss = try #require(blocks.loss)
      #expect(loss >= (try #require(blocks.optimum).certificate.objective))
      #expect(table.loss(of: blocks.plan) == loss)
    }
  }

  @Test("where whole blocks are alike, rounding to blocks costs nothing but what is left over")
  func alikeBlocks() throws {
    // 7 blocks of 32 equal neurons, as heavy as each other; a budget of whole raises.
    let table = try table(
      neurons: [128, 96], weightsPerNeuron: [12, 12], bits: [2, 4], seed: 9, runs: 32)
    for raised in 0...7 {
      let budget = 2 + 2 * Double(raised) / 7
      let allocation = try NeuronAllocation(exact: table, budget: budget)
      let optimum = try #require(allocation.optimum)
      let loss = try #require(allocation.loss)
      #expect(abs(loss - optimum.certificate.objective) < 1e-12 * loss)
      #expect(allocation.bits == optimum.bits)
    }
  }

  @Test("a budget above all bits gives everything the highest, the lowest gives the lowest")
  func ends() throws {
    let table = try table(neurons: [40, 64], weightsPerNeuron: [7, 9], seed: 1)
    for (budget, bits) in [(100.0, 4), (4, 4), (2, 2)] {
      let allocation = try NeuronAllocation(exact: table, budget: budget)
      #expect(
        allocation.plan.entries.map(\.slices)
          == [[NeuronSlice(bits: bits, neurons: 40)], [NeuronSlice(bits: bits, neurons: 64)]])
    }
  }

  @Test("budgets that admit no plan, make no sense, or lack losses are refused")
  func refusals() throws {
    let table = try table(neurons: [40], weightsPerNeuron: [7], seed: 1)
    for budget in [0, -1, .nan, .infinity] as [Double] {
      let error = #expect(throws: AllocationError.self) {
        try NeuronAllocation(exact: table, budget: budget)
      }
      guard case .badBudget = error else {
        Issue.record("\(budget): \(String(describing: error))")
        continue
      }
    }
    let infeasible = AllocationError.infeasible(bound: "experts", value: 1.5, nearest: 2)
    #expect(throws: infeasible) { try NeuronAllocation(exact: table, budget: 1.5) }
    var expert = table.experts[0]
    expert.loss = []
    let unmeasured = try NeuronTable(bits: table.bits, experts: [expert])
    #expect(throws: AllocationError.missingLoss(unit: expert.id, bits: 2)) {
      try NeuronAllocation(exact: unmeasured, budget: 3)
    }
  }

  @Test("uniform gives every expert the split of the level")
  func uniform() throws {
    let table = try table(neurons: [100, 448], weightsPerNeuron: [48, 48], seed: 5)
    let plan = try NeuronPlan(uniform: LevelMix(bits: 2.5), for: table)
    #expect(
      plan.entries.map(\.slices) == [
        [NeuronSlice(bits: 3, neurons: 64), NeuronSlice(bits: 2, neurons: 36)],
        [NeuronSlice(bits: 3, neurons: 224), NeuronSlice(bits: 2, neurons: 224)],
      ])
    #expect(table.meanBits(of: plan) == Double(3 * 288 + 2 * 260) / 548)
    #expect(
      throws: NeuronPlanError.unknownBits(
        unit: "layers.0.experts.0", bits: 5, known: [2, 3, 4])
    ) { try NeuronPlan(uniform: LevelMix(bits: 4.5), for: table) }
  }
}
