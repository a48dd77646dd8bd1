/// Limits and requirements in one form: sums over items that must not be above a capacity.
///
/// "At least n units at a level" is "the negated count is at most -n".
struct Bounds: Sendable {
  let items: Int
  /// Number of choices of each item.
  let levels: [Int]
  let capacities: [Int64]
  /// Limits come first, then requirements.
  let limits: Int
  /// The bounds an item counts under: `bound[slots[i] ..< slots[i + 1]]`.
  let slots: [Int]
  let bound: [Int32]
  /// Costs of an item, a row of one value per slot for each choice, from `rows[i]`.
  let rows: [Int]
  let cost: [Int64]
  /// The items of each bound.
  let members: [[Int32]]

  init(_ problem: ChoiceProblem) {
    var sources = problem.limits.map { limit in
      (scope: limit.scope, cost: problem.resources[limit.resource].cost)
    }
    sources += problem.requirements.map { ($0.scope, $0.counts.map { -Int64($0) }) }
    let everywhere = sources.indices.filter { sources[$0].scope == nil }
    var inScope: [Int: [Int]] = [:]
    for index in sources.indices {
      if let scope = sources[index].scope { inScope[scope, default: []].append(index) }
    }
    var (slots, rows) = ([0], [0])
    var bound: [Int32] = []
    var cost: [Int64] = []
    var members = [[Int32]](repeating: [], count: sources.count)
    for item in 0..<problem.items {
      let over = everywhere + (inScope[Int(problem.scope[item])] ?? [])
      for choice in problem.choices(of: item) { cost += over.map { sources[$0].cost[choice] } }
      for index in over { members[index].append(Int32(item)) }
      bound += over.map { Int32($0) }
      slots.append(bound.count)
      rows.append(cost.count)
    }
    items = problem.items
    levels = (0..<problem.items).map { problem.choices(of: $0).count }
    capacities =
      problem.limits.map(\.capacity) + problem.requirements.map { -Int64($0.atLeast) }
    limits = problem.limits.count
    (self.slots, self.bound, self.rows, self.cost, self.members) = (
      slots, bound, rows, cost, members
    )
  }

  /// One sum per bound.
  func sums(of plan: [UInt8]) -> [Int64] {
    precondition(plan.count == items, "\(plan.count) levels, \(items) items")
    var sums = [Int64](repeating: 0, count: capacities.count)
    // Spans and a local array: the loop is most of a search's time, and would otherwise load the
    // addresses of all arrays again for every item.
    let (plan, slots, bound, rows, cost) = (plan.span, slots.span, bound.span, rows.span, cost.span)
    if sums.count == 1, bound.count == items {
      // One limit over all items, the usual case, is summed in a register.
      var total: Int64 = 0
      for item in 0..<items { total += cost[rows[item] &+ Int(plan[item])] }
      return [total]
    }
    var total = sums.mutableSpan
    var start = 0
    for item in 0..<items {
      let end = slots[item &+ 1]
      var place = rows[item] &+ Int(plan[item]) &* (end &- start)
      while start < end {
        total[Int(bound[start])] += cost[place]
        place &+= 1
        start &+= 1
      }
    }
    return sums
  }
}

/// A plan in the making, with its sums kept up to date.
struct Draft: Sendable {
  let bounds: Bounds
  private(set) var levels: [UInt8]
  /// One sum per bound.
  private(set) var sums: [Int64]
  /// Bounds whose sum is above the capacity.
  private(set) var violated = 0
  /// Changes since `load`, to be undone from the end.
  private var changes: [(item: Int32, old: UInt8)] = []

  /// Every item at its first level.
  init(_ bounds: Bounds) {
    self.bounds = bounds
    levels = [UInt8](repeating: 0, count: bounds.items)
    sums = []
    sumUp()
  }

  mutating func load(_ levels: [UInt8]) {
    self.levels = levels
    sumUp()
  }

  private mutating func sumUp() {
    changes.removeAll(keepingCapacity: true)
    sums = bounds.sums(of: levels)
    violated = sums.indices.count { sums[$0] > bounds.capacities[$0] }
  }

  mutating func set(_ item: Int, to level: Int) {
    changes.append((Int32(item), levels[item]))
    move(item, to: level)
  }

  private mutating func move(_ item: Int, to level: Int) {
    let (start, count) = (bounds.slots[item], bounds.slots[item + 1] - bounds.slots[item])
    let (old, new) = (
      bounds.rows[item] + Int(levels[item]) * count, bounds.rows[item] + level * count
    )
    for slot in 0..<count {
      let index = Int(bounds.bound[start + slot])
      let capacity = bounds.capacities[index]
      if sums[index] > capacity { violated -= 1 }
      sums[index] += bounds.cost[new + slot] - bounds.cost[old + slot]
      if sums[index] > capacity { violated += 1 }
    }
    levels[item] = UInt8(truncatingIfNeeded: level)
  }

  /// Where `undo` goes back to.
  var mark: Int { changes.count }

  mutating func undo(to mark: Int) {
    while changes.count > mark {
      let last = changes.removeLast()
      move(Int(last.item), to: Int(last.old))
    }
  }

  /// Whether a change breaks no bound that holds and makes none worse that does not.
  func allows(_ item: Int, at level: Int) -> Bool {
    let (start, count) = (bounds.slots[item], bounds.slots[item + 1] - bounds.slots[item])
    let (old, new) = (
      bounds.rows[item] + Int(levels[item]) * count, bounds.rows[item] + level * count
    )
    for slot in 0..<count {
      let change = bounds.cost[new + slot] - bounds.cost[old + slot]
      let index = Int(bounds.bound[start + slot])
      if change > 0, sums[index] + change > bounds.capacities[index] { return false }
    }
    return true
  }

  /// By how much a change lowers the sum of a bound the item counts under.
  func relief(of index: Int, by item: Int, at level: Int) -> Int64 {
    let (start, count) = (bounds.slots[item], bounds.slots[item + 1] - bounds.slots[item])
    for slot in 0..<count where Int(bounds.bound[start + slot]) == index {
      let row = bounds.rows[item]
      return bounds.cost[row + Int(levels[item]) * count + slot]
        - bounds.cost[row + level * count + slot]
    }
    return 0
  }

  /// The first bound that does not hold; limits come before requirements.
  var firstViolated: Int? { sums.indices.first { sums[$0] > bounds.capacities[$0] } }
}
