import Statistics

extension NeuronAllocation {
  /// Every expert with the same level.
  ///
  /// - Parameters:
  ///   - level: Its nominal bits are the budget; the realised ones of small experts may differ.
  ///   - table: Whose experts.
  ///   - blockSize: Neurons of a block.
  /// - Throws: ``NeuronPlanError``.
  public init(
    uniform level: LevelMix, for table: NeuronTable, blockSize: Int = 32
  ) throws(NeuronPlanError) {
    let plan = try NeuronPlan(uniform: level, for: table, blockSize: blockSize)
    self.init(plan, table, budget: level.bits)
  }

  /// Blocks raised in random order (DECISIONS: Rank allocators, `fill`).
  ///
  /// All blocks start at the lowest bits; each pass goes through all of them in an order that is
  /// drawn anew and raises by one level those whose raise fits; passes end when none fits. An
  /// expert's blocks count, not which they are: its neurons stay in rank order.
  /// - Parameters:
  ///   - table: Losses are not looked at.
  ///   - budget: Bound on mean code bits.
  ///   - blockSize: Neurons of a block.
  ///   - seed: Of the orders.
  /// - Throws: ``AllocationError``.
  public init(
    random table: NeuronTable, budget: Double, blockSize: Int = 32, seed: UInt64
  ) throws(AllocationError) {
    let unit = try table.costUnit(budget: budget)
    var left =
      table.capacity(budget: budget, unit: unit)
      - Int64(table.bits[0]) * Int64(table.weights / unit)
    guard left >= 0 else { throw table.infeasible(budget: budget) }
    var blocks = BlockLevels(table, unit: unit, blockSize: blockSize)
    var order = Array(0..<blocks.level.count)
    var generator = SeededGenerator(seed: seed)
    var raised = true
    while raised {
      raised = false
      generator.shuffle(&order)
      for block in order where blocks.raise(block, within: &left) { raised = true }
    }
    self.init(blocks.plan, table, budget: budget)
  }

  private init(_ plan: NeuronPlan, _ table: NeuronTable, budget: Double) {
    self.plan = plan
    loss = table.loss(of: plan)
    bits = table.meanBits(of: plan)
    self.budget = budget
    optimum = nil
  }
}

/// A level for every block of every expert.
private struct BlockLevels {
  let table: NeuronTable
  let unit: Int
  let blockSize: Int
  /// Index of the expert of each block.
  let expert: [Int]
  /// Index into the table's bits of each block.
  private(set) var level: [UInt8]
  /// How many blocks of an expert are at a level or above, `[experts, levels]`.
  private var atLeast: [Int]

  init(_ table: NeuronTable, unit: Int, blockSize: Int) {
    precondition(blockSize > 0, "block size \(blockSize)")
    (self.table, self.unit, self.blockSize) = (table, unit, blockSize)
    var (expert, atLeast): ([Int], [Int]) = ([], [])
    for (index, value) in table.experts.enumerated() {
      let blocks = (value.neurons + blockSize - 1) / blockSize
      expert += Array(repeating: index, count: blocks)
      atLeast += [blocks] + Array(repeating: 0, count: table.bits.count - 1)
    }
    (self.expert, self.atLeast) = (expert, atLeast)
    level = [UInt8](repeating: 0, count: expert.count)
  }

  /// Raises a block by one level if that fits.
  ///
  /// The cost is that of the next block in rank order, which alone can be the short one.
  mutating func raise(_ block: Int, within left: inout Int64) -> Bool {
    let next = Int(level[block]) + 1
    guard next < table.bits.count else { return false }
    let expert = table.experts[self.expert[block]]
    let place = self.expert[block] * table.bits.count + next
    let neurons = end(ofBlocks: atLeast[place] + 1, expert) - end(ofBlocks: atLeast[place], expert)
    let cost = Int64(
      neurons * (expert.weightsPerNeuron / unit) * (table.bits[next] - table.bits[next - 1]))
    guard cost <= left else { return false }
    left -= cost
    atLeast[place] += 1
    level[block] += 1
    return true
  }

  private func end(ofBlocks blocks: Int, _ expert: NeuronTable.Expert) -> Int {
    min(blocks * blockSize, expert.neurons)
  }

  var plan: NeuronPlan {
    NeuronPlan(
      entries: table.experts.enumerated().map { index, expert in
        var (slices, start): ([NeuronSlice], Int) = ([], 0)
        for level in table.bits.indices.reversed() {
          let end = end(ofBlocks: atLeast[index * table.bits.count + level], expert)
          if end > start {
            slices.append(NeuronSlice(bits: table.bits[level], neurons: end - start))
          }
          start = end
        }
        return NeuronPlan.Entry(unit: expert.id, slices: slices)
      })
  }
}
