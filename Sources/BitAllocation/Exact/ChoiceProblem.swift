/// What every allocator solves, in numbers: a level for each item, bounded sums, counted levels.
///
/// An item is a unit, or the units of a tie; its choices are the levels that all of them have.
/// Arrays over choices are flat: the choices of item i are `first[i] ..< first[i + 1]`.
public struct ChoiceProblem: Sendable {
  /// A quantity that choices use up, in whole numbers.
  public struct Resource: Sendable {
    public let name: String
    /// One value per choice.
    public let cost: [Int64]
    /// What one of the whole numbers is, in the resource's unit (bits, bytes, ms).
    public let quantum: Double
  }

  /// A bound on the sum of a resource over the items of a scope.
  public struct Limit: Sendable {
    public let name: String
    public let resource: Int
    /// Index of the scope; nil: all items.
    public let scope: Int?
    public let capacity: Int64
  }

  /// At least so many units of a scope at a level.
  public struct Requirement: Sendable {
    public let bits: Double
    public let scope: Int?
    public let atLeast: Int
    /// One value per choice: the units of the item if the choice is that level, else 0.
    public let counts: [Int32]
  }

  public let first: [Int]
  /// One value per choice.
  public let loss: [Double]
  /// One value per item.
  public let scope: [Int32]
  public let resources: [Resource]
  public let limits: [Limit]
  public let requirements: [Requirement]

  public var items: Int { first.count - 1 }

  /// The choices of an item, as indices into the flat arrays.
  public func choices(of item: Int) -> Range<Int> { first[item]..<first[item + 1] }

  /// The limits that an item counts under.
  func limits(over item: Int) -> [Int] {
    limits.indices.filter { limits[$0].scope == nil || limits[$0].scope == Int(scope[item]) }
  }

  /// Σ loss of a choice for each item, counted from its first.
  public func loss(of choice: [UInt8]) -> Double {
    var sum = 0.0
    for item in 0..<items { sum += loss[first[item] + Int(choice[item])] }
    return sum
  }

  /// What a limit's items use up.
  public func spent(on limit: Limit, by choice: [UInt8]) -> Int64 {
    let cost = resources[limit.resource].cost
    var sum: Int64 = 0
    for item in 0..<items where limit.scope == nil || limit.scope == Int(scope[item]) {
      sum += cost[first[item] + Int(choice[item])]
    }
    return sum
  }

  /// Whether limits and requirements hold.
  public func admits(_ choice: [UInt8]) -> Bool {
    limits.allSatisfy { spent(on: $0, by: choice) <= $0.capacity }
      && requirements.allSatisfy { count(for: $0, in: choice) >= $0.atLeast }
  }

  func count(for requirement: Requirement, in choice: [UInt8]) -> Int {
    var count = 0
    for item in 0..<items
    where requirement.scope == nil || requirement.scope == Int(scope[item]) {
      count += Int(requirement.counts[first[item] + Int(choice[item])])
    }
    return count
  }
}

/// Items that share nothing with others, under one limit or none: a plain knapsack.
struct KnapsackPart: Sendable {
  /// Indices into the items of the whole; nil: all of them.
  let items: [Int]?
  /// Index of the limit; nil: none.
  let limit: Int?
  let knapsack: Knapsack
}

extension ChoiceProblem {
  /// The problem as independent knapsacks; nil if an item counts under several limits, or levels
  /// are counted: then it is an integer program.
  func knapsacks() -> [KnapsackPart]? {
    guard requirements.isEmpty else { return nil }
    if limits.count == 1, limits[0].scope == nil {
      let resource = resources[limits[0].resource]
      return [
        KnapsackPart(
          items: nil, limit: 0,
          knapsack: Knapsack(
            first: first, loss: loss, cost: resource.cost, capacity: limits[0].capacity))
      ]
    }
    var members = [[Int]](repeating: [], count: limits.count + 1)
    for item in 0..<items {
      let over = limits(over: item)
      guard over.count <= 1 else { return nil }
      members[over.first ?? limits.count].append(item)
    }
    return members.indices.compactMap { part in
      members[part].isEmpty
        ? nil : knapsack(of: members[part], limit: part < limits.count ? part : nil)
    }
  }

  private func knapsack(of items: [Int], limit: Int?) -> KnapsackPart {
    var first = [0]
    var (loss, cost): ([Double], [Int64]) = ([], [])
    for item in items {
      loss += self.loss[choices(of: item)]
      if let limit {
        cost += resources[limits[limit].resource].cost[choices(of: item)]
      } else {
        cost += choices(of: item).map { _ in 0 }
      }
      first.append(loss.count)
    }
    return KnapsackPart(
      items: items, limit: limit,
      knapsack: Knapsack(
        first: first, loss: loss, cost: cost,
        capacity: limit.map { limits[$0].capacity } ?? 0))
  }
}
