import Statistics

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
  /// Descending by a score of the table; equal scores keep the order of the units. Units of a tie
  /// have their mean score.
  case score(String)
  /// Layers from the first on.
  case firstLayers
  /// Layers from the last on.
  case lastLayers
}

/// Spends the budget on units in order of rank; losses are not looked at.
///
/// - SeeAlso: Li et al. 2024, "Examining Post-Training Quantization for Mixture-of-Experts",
///   arXiv:2406.08155; METHODS §2.6.
public struct RankAllocator: Allocator {
  public let name: String
  public let ranking: Ranking
  /// nil: two-level where all units have the same two levels, else fill.
  public let law: RankLaw?

  public init(_ name: String, ranking: Ranking, law: RankLaw? = nil) {
    self.name = name
    self.ranking = ranking
    self.law = law
  }

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    guard problem.requirements.isEmpty else {
      throw .notPossible(
        allocator: name, what: "cannot keep a required count of units at a level; use exact")
    }
    var generator = SeededGenerator(seed: seed)
    switch law ?? Self.usualLaw(for: problem.table) {
    case .fill: return try fill(CompiledProblem(problem), &generator)
    case .twoLevel(let low, let high):
      var problem = problem
      problem.table = try problem.table.restricted(low: low, high: high)
      return try twoLevel(CompiledProblem(problem), &generator)
    }
  }

  private static func usualLaw(for table: SensitivityTable) -> RankLaw {
    guard let levels = table.units.first?.levels.map(\.bits), levels.count == 2,
      table.units.allSatisfy({ $0.levels.map(\.bits) == levels })
    else { return .fill }
    return .twoLevel(low: levels[0], high: levels[1])
  }

  private func fill(
    _ compiled: CompiledProblem, _ generator: inout SeededGenerator
  ) throws(AllocationError) -> Allocation {
    var spending = try Spending(compiled)
    var raised = true
    while raised {
      raised = false
      for item in try order(of: compiled, &generator) where spending.raise(item) {
        raised = true
      }
    }
    return try Allocation(compiled, spending.choice, allocator: name)
  }

  private func twoLevel(
    _ compiled: CompiledProblem, _ generator: inout SeededGenerator
  ) throws(AllocationError) -> Allocation {
    let order = try order(of: compiled, &generator)
    if ranking == .firstLayers || ranking == .lastLayers {
      return try wholeLayers(compiled, order)
    }
    let layers = Dictionary(grouping: order) { compiled.layer(of: $0) }
    let largest = layers.values.map(\.count).max() ?? 0
    var best = try Spending(compiled)
    for count in 0..<largest {
      var next = best
      // Sums are exact, so the order in which layers are visited does not matter.
      let fits = layers.values.allSatisfy { $0.count <= count || next.raise($0[count]) }
      guard fits else { break }
      best = next
    }
    return try Allocation(compiled, best.choice, allocator: name)
  }

  /// All units of the first layers in order at the high level, as many layers as fit.
  private func wholeLayers(
    _ compiled: CompiledProblem, _ order: [Int]
  ) throws(AllocationError) -> Allocation {
    var best = try Spending(compiled)
    var position = 0
    while position < order.count {
      let layer = compiled.layer(of: order[position])
      var next = best
      var fits = true
      while position < order.count, compiled.layer(of: order[position]) == layer {
        fits = fits && next.raise(order[position])
        position += 1
      }
      guard fits else { break }
      best = next
    }
    return try Allocation(compiled, best.choice, allocator: name)
  }

  /// Indices of the items, the first to be raised first.
  private func order(
    of compiled: CompiledProblem, _ generator: inout SeededGenerator
  ) throws(AllocationError) -> [Int] {
    var order = Array(compiled.units.indices)
    switch ranking {
    case .random: generator.shuffle(&order)
    case .firstLayers: order.sort { (compiled.layer(of: $0), $0) < (compiled.layer(of: $1), $1) }
    case .lastLayers: order.sort { (compiled.layer(of: $1), $0) < (compiled.layer(of: $0), $1) }
    case .score(let name):
      let table = compiled.problem.table
      guard let scores = table.scores[name] else {
        throw .missingScore(name, available: table.scores.keys.sorted())
      }
      let means = compiled.units.map { members in
        members.reduce(0) { $0 + scores[$1] } / Double(members.count)
      }
      order.sort { (means[$1], $0) < (means[$0], $1) }
    }
    return order
  }
}

extension CompiledProblem {
  func layer(of item: Int) -> Int { problem.table.units[units[item][0]].layer }
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
