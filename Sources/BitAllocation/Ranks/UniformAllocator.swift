/// Every unit at the level whose nominal bits equal the budget.
public struct UniformAllocator: Allocator {
  public let name = "uniform"

  public init() {}

  public func allocate(
    _ problem: AllocationProblem, using generator: inout some RandomNumberGenerator
  ) throws(AllocationError) -> Allocation {
    let bits = problem.budget.experts
    var spending = try Spending(problem)
    guard spending.units.contains(where: { $0.level(bits: bits) != nil }) else {
      let levels = Set(spending.units.flatMap { $0.levels.map(\.bits) })
      throw .notALevel(budget: bits, levels: levels.sorted())
    }
    for (index, unit) in spending.units.enumerated() {
      guard let level = unit.levels.firstIndex(where: { $0.bits == bits }) else {
        throw .missingLevel(unit: unit.id, bits: bits, levels: unit.levels.map(\.bits))
      }
      while spending.levels[index] < level {
        guard spending.raise(index) else { throw try infeasible(problem) }
      }
    }
    return try Allocation(spending, allocator: name, forced: Spending.isForced(problem))
  }

  /// Reached where realised code bits exceed nominal ones.
  private func infeasible(_ problem: AllocationProblem) throws(AllocationError) -> AllocationError {
    let bits = problem.budget.experts
    let cost = problem.table.units.reduce(MicroBits(count: 0)) { sum, unit in
      sum + MicroBits(unit.level(bits: bits)?.codeBits ?? 0)
    }
    return .infeasible(
      budget: bits, nearest: cost.perWeightRoundedUp(problem.table.weights).bits)
  }
}
