/// A plan in the making: a choice for every item and what it costs, never above a limit.
///
/// Choices of an item rise in bits, so a raise is the next choice.
struct Spending: Sendable {
  let choices: ChoiceProblem
  /// Counted from the first choice of each item.
  private(set) var choice: [UInt8]
  /// One value per limit.
  private(set) var spent: [Int64]
  private let limitsOver: [[Int]]

  /// Starts with every item at its lowest level.
  ///
  /// - Throws: ``AllocationError/infeasible(bound:value:nearest:)``.
  init(_ compiled: CompiledProblem) throws(AllocationError) {
    choices = compiled.choices
    choice = [UInt8](repeating: 0, count: choices.items)
    let start = choice
    spent = compiled.choices.limits.map { compiled.choices.spent(on: $0, by: start) }
    limitsOver = (0..<compiled.choices.items).map { compiled.choices.limits(over: $0) }
    for (index, limit) in choices.limits.enumerated() where spent[index] > limit.capacity {
      throw compiled.infeasible(limit: index, least: spent[index])
    }
  }

  /// Raises an item by one level if that fits; returns whether it did.
  mutating func raise(_ item: Int) -> Bool {
    let next = Int(choice[item]) + 1
    guard next < choices.choices(of: item).count else { return false }
    return set(item, to: UInt8(next))
  }

  /// Gives an item a choice if that fits; returns whether it did.
  mutating func set(_ item: Int, to new: UInt8) -> Bool {
    for limit in limitsOver[item] {
      let change = change(of: item, to: new, under: limit)
      guard change <= 0 || spent[limit] + change <= choices.limits[limit].capacity else {
        return false
      }
    }
    for limit in limitsOver[item] { spent[limit] += change(of: item, to: new, under: limit) }
    choice[item] = new
    return true
  }

  private func change(of item: Int, to new: UInt8, under limit: Int) -> Int64 {
    let cost = choices.resources[choices.limits[limit].resource].cost
    let start = choices.first[item]
    return cost[start + Int(new)] - cost[start + Int(choice[item])]
  }
}

extension CompiledProblem {
  /// The error for a limit below the least that its items can cost.
  func infeasible(limit: Int, least: Int64) -> AllocationError {
    .infeasible(
      bound: choices.limits[limit].name, value: bounds[limit].bound.value,
      nearest: nearest(limit: limit, least: least))
  }

  /// The budget that a spending of so many whole numbers is, rounded up.
  func nearest(limit: Int, least: Int64) -> Double {
    let (bound, resource) = (bounds[limit], choices.resources[choices.limits[limit].resource])
    let value = Double(least) * resource.quantum + bound.fixed
    return ((bound.weights.map { value / Double($0) } ?? value) * 1e6).rounded(.up) / 1e6
  }

  /// Whether the budget decides everything: no item can leave its lowest level, or all can have
  /// their highest.
  var isForced: Bool {
    let highest = (0..<choices.items).map { UInt8(choices.choices(of: $0).count - 1) }
    if choices.admits(highest) { return true }
    guard var lowest = try? Spending(self) else { return false }
    return !(0..<choices.items).contains { lowest.raise($0) }
  }
}
