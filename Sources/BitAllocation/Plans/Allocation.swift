/// A plan, what it promises and what it costs.
public struct Allocation: Sendable, Equatable {
  public let plan: Plan
  /// Σ of the predicted losses; nil if the table lacks one of them.
  public let objective: Double?
  /// Ledger name → bits per weight, for the ledgers that can be told from the problem.
  public let bits: [String: Double]
  public let allocator: String
  /// Whether the budget admits this plan only.
  public let forced: Bool
  /// Code bits of the budget that were not spent, over all units together.
  public let slackBits: Double

  init(_ spending: Spending, allocator: String, forced: Bool) throws(AllocationError) {
    let chosen = zip(spending.units, spending.levels).map { unit, level in
      (unit: unit, level: unit.levels[level])
    }
    plan = Plan(entries: chosen.map { Plan.Entry(unit: $0.unit.id, bits: $0.level.bits) })
    let losses = chosen.compactMap(\.level.loss)
    objective = losses.count == chosen.count ? losses.reduce(0, +) : nil
    bits = try Self.ledgers(chosen, spending.problem)
    self.allocator = allocator
    self.forced = forced
    slackBits = (spending.allowance - spending.spent).bits
  }

  /// Ledgers over attention are left out where no attention modules are given, `with-metadata`
  /// also where the metadata of a chosen level is not known.
  private static func ledgers(
    _ chosen: [(unit: Unit, level: Level)], _ problem: AllocationProblem
  ) throws(AllocationError) -> [String: Double] {
    let experts = chosen.map { unit, level in
      QuantizedModule(
        name: unit.id, part: .expert, weights: unit.weights, codeBits: level.codeBits,
        metadataBits: level.metadataBits ?? 0)
    }
    var values = Ledger.values(of: experts + problem.attention)
    if problem.attention.isEmpty { values[Ledger.paperCodeBits.rawValue] = nil }
    if problem.attention.isEmpty || chosen.contains(where: { $0.level.metadataBits == nil }) {
      values[Ledger.withMetadata.rawValue] = nil
    }
    if let budget = problem.budget.attention,
      let got = Ledger.paperCodeBits.value(of: problem.attention), got > budget
    {
      throw .attentionOverBudget(budget: budget, got: got)
    }
    return values
  }
}
