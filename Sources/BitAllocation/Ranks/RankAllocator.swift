/// How a score becomes a plan (DECISIONS: Rank allocators).
public enum RankLaw: Sendable, Equatable {
  /// All units start at their lowest level; each pass raises units in score order by one level
  /// until the next raise does not fit, then the next unit that fits; passes end when none fits.
  case fill
  /// Li et al.: in each layer the best k units at the high level, the others at the low one, with
  /// the largest k that fits the budget in all layers.
  case twoLevel(low: Double, high: Double)
}

/// Where the order of units comes from.
public enum Ranking: Sendable, Equatable {
  /// A uniformly drawn order, drawn again for each pass.
  case random
  /// Descending by a score of the table; equal scores keep the order of the units.
  case score(String)
}

/// Spends the budget on units in order of rank; losses are not looked at.
///
/// - SeeAlso: Li et al. 2024, "Examining Post-Training Quantization for Mixture-of-Experts",
///   arXiv:2406.08155; METHODS §2.6.
public struct RankAllocator: Allocator {
  public let ranking: Ranking
  /// nil: two-level where all units have the same two levels, else fill.
  public let law: RankLaw?

  public init(ranking: Ranking, law: RankLaw? = nil) {
    self.ranking = ranking
    self.law = law
  }

  public var name: String {
    switch ranking {
    case .random: "random"
    case .score(let score): score
    }
  }

  public func allocate(
    _ problem: AllocationProblem, using generator: inout some RandomNumberGenerator
  ) throws(AllocationError) -> Allocation {
    if let tie = problem.table.units.lazy.compactMap(\.tie).first {
      throw .tiedUnits(allocator: name, tie: tie)
    }
    switch law ?? Self.usualLaw(for: problem.table) {
    case .fill: return try fill(problem, using: &generator)
    case .twoLevel(let low, let high):
      var problem = problem
      problem.table = try problem.table.restricted(low: low, high: high)
      return try twoLevel(problem, using: &generator)
    }
  }

  private static func usualLaw(for table: SensitivityTable) -> RankLaw {
    guard let levels = table.units.first?.levels.map(\.bits), levels.count == 2,
      table.units.allSatisfy({ $0.levels.map(\.bits) == levels })
    else { return .fill }
    return .twoLevel(low: levels[0], high: levels[1])
  }

  private func fill(
    _ problem: AllocationProblem, using generator: inout some RandomNumberGenerator
  ) throws(AllocationError) -> Allocation {
    var spending = try Spending(problem)
    var raised = true
    while raised {
      raised = false
      for unit in try order(of: problem.table, using: &generator) where spending.raise(unit) {
        raised = true
      }
    }
    return try Allocation(spending, allocator: name, forced: Spending.isForced(problem))
  }

  private func twoLevel(
    _ problem: AllocationProblem, using generator: inout some RandomNumberGenerator
  ) throws(AllocationError) -> Allocation {
    let order = try order(of: problem.table, using: &generator)
    let layers = Dictionary(grouping: order) { problem.table.units[$0].layer }
    let largest = layers.values.map(\.count).max() ?? 0
    var best = try Spending(problem)
    var count = 0
    while count < largest {
      var next = best
      // Sums are exact, so the order in which layers are visited does not matter.
      let fits = layers.values.allSatisfy { $0.count <= count || next.raise($0[count]) }
      guard fits else { break }
      best = next
      count += 1
    }
    return try Allocation(best, allocator: name, forced: count == 0 || count == largest)
  }

  /// Indices of the units, the first to be raised first.
  private func order(
    of table: SensitivityTable, using generator: inout some RandomNumberGenerator
  ) throws(AllocationError) -> [Int] {
    var order = Array(table.units.indices)
    switch ranking {
    case .random:
      shuffle(&order, using: &generator)
    case .score(let name):
      guard let scores = table.scores[name] else {
        throw .missingScore(name, available: table.scores.keys.sorted())
      }
      order.sort { (scores[$1], $0) < (scores[$0], $1) }
    }
    return order
  }
}

extension SensitivityTable {
  /// The table with two levels per unit.
  fileprivate func restricted(
    low: Double, high: Double
  ) throws(AllocationError) -> SensitivityTable {
    guard low < high else { throw .unorderedLevels(low: low, high: high) }
    var restricted = self
    for index in units.indices {
      let unit = units[index]
      for bits in [low, high] where unit.level(bits: bits) == nil {
        throw .missingLevel(unit: unit.id, bits: bits, levels: unit.levels.map(\.bits))
      }
      restricted.units[index].levels.removeAll { $0.bits != low && $0.bits != high }
    }
    return restricted
  }
}
