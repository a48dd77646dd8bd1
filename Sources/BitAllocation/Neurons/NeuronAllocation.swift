/// A plan over neurons, and what rounding it to blocks cost.
///
/// The exact optimum gives every neuron its own bits. What can be stored is slices of whole blocks in
/// rank order, so both are kept: the optimum with its certificate, and the plan.
public struct NeuronAllocation: Sendable, Equatable {
  public let plan: NeuronPlan
  /// Σ of the predicted losses of the plan; nil if an expert was not measured.
  public let loss: Double?
  /// Mean code bits per weight of the plan.
  public let bits: Double
  /// Bound on the mean code bits.
  public let budget: Double
  /// Before rounding to blocks; nil where the plan was made of blocks from the start.
  public let optimum: Optimum?

  /// The best bits for every neuron on its own.
  public struct Optimum: Sendable, Equatable {
    public let certificate: Certificate
    /// Mean code bits per weight.
    public let bits: Double
  }
}

extension NeuronAllocation {
  /// The least predicted loss within a bound on mean code bits, then rounded to blocks.
  ///
  /// Of each expert the neurons at so many bits or more are counted, the counts rounded down to
  /// whole blocks, and the neurons taken in rank order. What rounding leaves of the budget is not
  /// spent again.
  /// - Parameters:
  ///   - table: All experts measured.
  ///   - budget: Bound on Σ bits · weights / Σ weights.
  ///   - blockSize: Neurons of a block.
  /// - Throws: ``AllocationError``.
  /// - Complexity: About linear in the neurons; 16 bytes for each neuron and bit-width.
  public init(
    exact table: NeuronTable, budget: Double, blockSize: Int = 32
  ) throws(AllocationError) {
    precondition(blockSize > 0, "block size \(blockSize)")
    if let expert = table.experts.first(where: { !$0.isMeasured }) {
      throw .missingLoss(unit: expert.id, bits: Double(table.bits[0]))
    }
    let unit = try table.costUnit(budget: budget)
    let knapsack = table.knapsack(budget: budget, unit: unit)
    guard let best = ExactKnapsack(knapsack) else {
      throw table.infeasible(budget: budget)
    }
    plan = table.plan(roundingDown: best.choice, blockSize: blockSize)
    loss = table.loss(of: plan)
    bits = table.meanBits(of: plan)
    self.budget = budget
    optimum = Optimum(
      certificate: Certificate(
        objective: best.loss, lowerBound: min(best.dual.bound, best.loss),
        isOptimal: best.proven,
        prices: best.dual.price > 0
          ? [.init(budget: "experts", loss: best.dual.price / Double(unit) * 8, unit: "byte")] : [],
        freeUnits: best.freeItems(of: knapsack, within: abs(best.loss) * 1e-3).count),
      bits: Double(best.cost) * Double(unit) / Double(table.weights))
  }
}

extension NeuronTable {
  /// The largest number of bits of which all costs are multiples.
  func costUnit(budget: Double) throws(AllocationError) -> Int {
    guard budget.isFinite, budget > 0 else { throw .badBudget(budget) }
    return experts.reduce(0) { Self.greatestCommonDivisor($0, $1.weightsPerNeuron) }
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
    b == 0 ? a : greatestCommonDivisor(b, a % b)
  }

  func infeasible(budget: Double) -> AllocationError {
    .infeasible(bound: "experts", value: budget, nearest: Double(bits[0]))
  }

  /// Code bits within a budget, in units; budgets above the highest level are that level.
  func capacity(budget: Double, unit: Int) -> Int64 {
    let most = Double(bits[bits.count - 1])
    // A budget such as 2.3 times the weights must not lose a unit to its binary fraction.
    let exact = min(budget, most) * Double(weights) / Double(unit)
    return Int64((exact + 1e-9 * max(exact, 1)).rounded(.down))
  }

  /// A choice of bits for every neuron, experts one after the other.
  func knapsack(budget: Double, unit: Int) -> Knapsack {
    let count = neurons
    var loss: [Double] = []
    var cost: [Int64] = []
    loss.reserveCapacity(count * bits.count)
    cost.reserveCapacity(count * bits.count)
    for expert in experts {
      let neuronCost = bits.map { Int64($0 * (expert.weightsPerNeuron / unit)) }
      for value in expert.loss { loss.append(Double(value)) }
      for _ in 0..<expert.neurons { cost.append(contentsOf: neuronCost) }
    }
    return Knapsack(
      first: Array(stride(from: 0, through: count * bits.count, by: bits.count)), loss: loss,
      cost: cost, capacity: capacity(budget: budget, unit: unit))
  }

  /// Whole blocks in rank order from a choice for every neuron.
  func plan(roundingDown choice: [UInt8], blockSize: Int) -> NeuronPlan {
    var start = 0
    return NeuronPlan(
      entries: experts.map { expert in
        var counts = [Int](repeating: 0, count: bits.count)
        for level in choice[start..<start + expert.neurons] { counts[Int(level)] += 1 }
        start += expert.neurons
        return NeuronPlan.Entry(
          unit: expert.id,
          slices: slices(counts: counts, neurons: expert.neurons, blockSize: blockSize))
      })
  }

  /// Slices from how many neurons are at each level: those at a level or above are rounded down to
  /// whole blocks, all of them stay all.
  func slices(counts: [Int], neurons: Int, blockSize: Int) -> [NeuronSlice] {
    var slices: [NeuronSlice] = []
    var (above, start) = (0, 0)
    for level in counts.indices.reversed() {
      above += counts[level]
      let end = above == neurons ? neurons : above / blockSize * blockSize
      if end > start { slices.append(NeuronSlice(bits: bits[level], neurons: end - start)) }
      start = end
    }
    return slices
  }
}
