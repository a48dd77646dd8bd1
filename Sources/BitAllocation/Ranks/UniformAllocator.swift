/// Every unit at the level whose nominal bits equal the budget of its part.
public struct UniformAllocator: Allocator {
  public let name = "uniform"

  public init() {}

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    let compiled = try CompiledProblem(problem)
    var choice = [UInt8](repeating: 0, count: compiled.choices.items)
    for (item, members) in compiled.units.enumerated() {
      let unit = problem.table.units[members[0]]
      let bits = try bits(of: unit, problem)
      let range = compiled.choices.choices(of: item)
      guard let level = range.first(where: { compiled.bits[$0] == bits }) else {
        let known = Set(compiled.bits)
        guard known.contains(bits) else {
          throw .notALevel(budget: bits, levels: known.sorted())
        }
        throw .missingLevel(unit: unit.id, bits: bits, levels: range.map { compiled.bits[$0] })
      }
      choice[item] = UInt8(level - range.lowerBound)
    }
    for (index, limit) in compiled.choices.limits.enumerated() {
      let spent = compiled.choices.spent(on: limit, by: choice)
      if spent > limit.capacity { throw compiled.infeasible(limit: index, least: spent) }
    }
    if let broken = compiled.choices.requirements.first(where: {
      compiled.choices.count(for: $0, in: choice) < $0.atLeast
    }) {
      throw .notPossible(
        allocator: name,
        what: "gives all units the same bits, so it cannot keep at least \(broken.atLeast) at "
          + "\(number(broken.bits)) bits; use exact")
    }
    return try Allocation(compiled, choice, allocator: name)
  }

  /// The budget whose nominal bits the unit is to have.
  private func bits(
    of unit: Unit, _ problem: AllocationProblem
  ) throws(AllocationError) -> Double {
    let bounds = problem.budget.bounds
    let part: Budget.Quantity = unit.part == .attention ? .attention : .experts
    let named = bounds.first { $0.quantity == part } ?? bounds.first { $0.quantity == .experts }
    guard let named else {
      throw .notPossible(
        allocator: name, what: "needs a budget of experts, whose bits every unit gets")
    }
    return named.value
  }
}
