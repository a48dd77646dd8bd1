/// From the lowest levels upwards, always the change of one unit that saves most loss per unit of
/// cost and fits, over all higher levels of the unit; ends when no change saves.
///
/// Cost is that of the first limit the unit counts under.
public struct GreedyAllocator: Allocator {
  public let name = "greedy"

  public init() {}

  private struct Change {
    var item: Int
    var choice: UInt8
    var rate: Double
  }

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    guard problem.requirements.isEmpty else {
      throw .notPossible(
        allocator: name, what: "cannot keep a required count of units at a level; use exact")
    }
    let compiled = try CompiledProblem(problem)
    try compiled.requireLosses()
    var spending = try Spending(compiled)
    var best = (0..<compiled.choices.items).map { changes(of: $0, compiled, spending.choice) }
    while let item = best.indices.max(by: { rate(best[$0], $0) < rate(best[$1], $1) }),
      let change = best[item].first
    {
      if spending.set(item, to: change.choice) {
        best[item] = changes(of: item, compiled, spending.choice)
      } else {
        best[item].removeFirst()
      }
    }
    return try Allocation(compiled, spending.choice, allocator: name)
  }

  /// Ties go to the unit that comes first.
  private func rate(_ changes: [Change], _ item: Int) -> (Double, Int) {
    (changes.first?.rate ?? -.infinity, -item)
  }

  /// What saves loss, by falling rate.
  private func changes(
    of item: Int, _ compiled: CompiledProblem, _ choice: [UInt8]
  ) -> [Change] {
    let choices = compiled.choices
    let cost = choices.limits(over: item).first.map {
      choices.resources[choices.limits[$0].resource].cost
    }
    let range = choices.choices(of: item)
    let now = range.lowerBound + Int(choice[item])
    return range[(now + 1)...].compactMap { other in
      let saving = choices.loss[now] - choices.loss[other]
      guard saving > 0 else { return nil }
      let price = cost.map { Double($0[other] - $0[now]) } ?? 0
      return Change(
        item: item, choice: UInt8(other - range.lowerBound),
        rate: price > 0 ? saving / price : .infinity)
    }.sorted { ($0.rate, $1.choice) > ($1.rate, $0.choice) }
  }
}
