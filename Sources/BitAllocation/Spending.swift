/// A plan in the making: levels of units and what they cost, never above the budget.
struct Spending: Sendable {
  let problem: AllocationProblem
  /// Code bits the budget allows.
  let allowance: MicroBits
  private(set) var spent: MicroBits
  /// Index into the levels of each unit.
  private(set) var levels: [Int]

  /// Starts with every unit at its lowest level.
  init(_ problem: AllocationProblem) throws(AllocationError) {
    let (table, budget) = (problem.table, problem.budget.experts)
    guard !table.units.isEmpty else { throw .emptyTable }
    // Above a million bits a budget is a mistake, and products might overflow.
    guard budget.isFinite, budget > 0, budget < 1e6 else { throw .badBudget(budget) }
    self.problem = problem
    allowance = MicroBits(budget) * table.weights
    levels = [Int](repeating: 0, count: table.units.count)
    spent = table.units.reduce(MicroBits(count: 0)) { $0 + MicroBits($1.levels[0].codeBits) }
    guard spent <= allowance else {
      throw .infeasible(budget: budget, nearest: spent.perWeightRoundedUp(table.weights).bits)
    }
  }

  var units: [Unit] { problem.table.units }

  /// The cost of one more level for a unit, or nil at its highest.
  func raiseCost(of unit: Int) -> MicroBits? {
    let (ladder, level) = (units[unit].levels, levels[unit])
    guard level + 1 < ladder.count else { return nil }
    return MicroBits(ladder[level + 1].codeBits) - MicroBits(ladder[level].codeBits)
  }

  /// Raises a unit by one level if that fits; returns whether it did.
  mutating func raise(_ unit: Int) -> Bool {
    guard let cost = raiseCost(of: unit), spent + cost <= allowance else { return false }
    levels[unit] += 1
    spent = spent + cost
    return true
  }

  /// Whether the budget decides everything: no unit can leave its lowest level, or all reach their
  /// highest.
  static func isForced(_ problem: AllocationProblem) throws(AllocationError) -> Bool {
    let lowest = try Spending(problem)
    let raises = lowest.units.indices.compactMap(lowest.raiseCost)
    guard raises.contains(where: { lowest.spent + $0 <= lowest.allowance }) else { return true }
    let highest = lowest.units.reduce(MicroBits(count: 0)) { sum, unit in
      sum + MicroBits(unit.levels[unit.levels.count - 1].codeBits)
    }
    return highest <= lowest.allowance
  }
}
