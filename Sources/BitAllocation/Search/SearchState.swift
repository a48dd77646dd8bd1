/// What one generation of a search looked like.
public struct GenerationRecord: Sendable, Equatable, Codable {
  /// 0: the start.
  public var generation: Int
  /// The best fitness so far. For EvoPress on a measured fitness the parent's on this generation's
  /// last stage, which is not comparable between generations if tokens are drawn anew.
  public var best: Double
  /// Over the population.
  public var mean: Double
  /// Share of items in which two members of the population differ, mean over all pairs; 0...1.
  public var diversity: Double
  /// Candidates evaluated since the start.
  public var evaluations: Int
  /// Of this generation, one entry per kind of mutation that the search uses.
  public var mutations: [MutationCount]
}

/// How often a kind of mutation was tried and kept.
///
/// For the evolutionary search one count is one change of an offspring, kept if limits and
/// requirements hold after it; for EvoPress it is one offspring, kept if it is admissible and new.
public struct MutationCount: Sendable, Equatable, Codable {
  public var kind: Mutation
  public var proposed = 0
  public var accepted = 0
}

/// A search after a whole number of generations: all that is needed to go on.
public struct SearchState: Sendable, Equatable, Codable {
  /// Name of the search.
  public var search: String
  public var seed: UInt64
  /// Generations done; 0: the start.
  public var generation: Int
  /// Levels of each item, counted from its first; best first.
  public var population: [[UInt8]]
  /// One value per member of the population; lower is better.
  public var fitness: [Double]
  /// The best plan so far.
  public var best: [UInt8]
  public var bestFitness: Double
  public var evaluations: Int
  /// Generations since the best plan last got better.
  public var stagnation: Int
  public var telemetry: [GenerationRecord]
  /// Where the gradient search stands; nil in others.
  public var relaxation: Relaxation?
}

/// Why a search ended.
public enum StopReason: String, Sendable, Equatable, Codable {
  /// All generations were done.
  case generations
  /// No better plan for as many generations as patience allows.
  case patience
}

/// What a search found.
public struct SearchResult: Sendable, Equatable {
  /// Level of each item, counted from its first.
  public var choice: [UInt8]
  public var fitness: Double
  public var evaluations: Int
  /// The start, then one record per generation.
  public var telemetry: [GenerationRecord]
  public var stop: StopReason
}

extension SearchState {
  /// Generation 0, its population sorted and recorded.
  init(
    search: String, seed: UInt64, population: [[UInt8]], fitness: [Double],
    kinds: [Mutation] = []
  ) {
    self.init(
      search: search, seed: seed, generation: 0, population: population, fitness: fitness,
      best: population[0], bestFitness: fitness[0], evaluations: population.count, stagnation: 0,
      telemetry: [])
    sort()
    (best, bestFitness) = (self.population[0], self.fitness[0])
    record(mutations: kinds.map { MutationCount(kind: $0) })
  }

  /// Best first; equals keep their order.
  mutating func sort() {
    let order = fitness.indices.sorted { (fitness[$0], $0) < (fitness[$1], $1) }
    population = order.map { population[$0] }
    fitness = order.map { fitness[$0] }
  }

  /// Ends a generation whose sorted population is in place.
  mutating func finishGeneration(mutations: [MutationCount]) {
    generation += 1
    stagnation += 1
    if fitness[0] < bestFitness {
      (best, bestFitness) = (population[0], fitness[0])
      stagnation = 0
    }
    record(mutations: mutations)
  }

  mutating func record(mutations: [MutationCount]) {
    telemetry.append(
      GenerationRecord(
        generation: generation, best: bestFitness,
        mean: fitness.reduce(0, +) / Double(fitness.count),
        diversity: Self.diversity(of: population), evaluations: evaluations,
        mutations: mutations))
  }

  /// Mean over all pairs of the share of items that differ, exactly: of n members, c of which agree
  /// in an item, c (c - 1) ordered pairs agree there.
  ///
  /// - Complexity: O(members · items), not pairs.
  static func diversity(of population: [[UInt8]]) -> Double {
    let (members, items) = (population.count, population[0].count)
    guard members > 1 else { return 0 }
    let width = 1 + Int(population.lazy.map { $0.max() ?? 0 }.max() ?? 0)
    var counts = [Int32](repeating: 0, count: items * width)
    var cells = counts.mutableSpan
    for member in population {
      let levels = member.span
      var start = 0
      for item in levels.indices {
        cells[start &+ Int(levels[item])] &+= 1
        start &+= width
      }
    }
    let agreeing = counts.reduce(into: 0) { $0 += Int($1) * (Int($1) - 1) }
    return 1 - Double(agreeing) / (Double(members) * Double(members - 1) * Double(items))
  }
}
