import Statistics

@testable import BitAllocation

extension ChoiceProblem {
  /// Items of equal ladders, cost = level · size, one limit over all.
  static func plain(
    losses: [[Double]], sizes: [Int64]? = nil, capacity: Int64
  ) -> ChoiceProblem {
    let costs = losses.indices.flatMap { item in
      losses[item].indices.map { Int64($0 + 1) * (sizes?[item] ?? 1) }
    }
    return ChoiceProblem(
      first: losses.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) },
      loss: losses.flatMap { $0 }, scope: losses.map { _ in 0 },
      resources: [Resource(name: "code-bits", cost: costs, quantum: 1)],
      limits: [Limit(name: "experts", resource: 0, scope: nil, capacity: capacity)],
      requirements: [])
  }

  /// Ladders, sizes, scopes, limits and requirements all drawn; a drawn plan is within all of them,
  /// with some room.
  static func drawn(seed: UInt64) -> ChoiceProblem {
    var random = SeededGenerator(seed: seed)
    let items = 6 + random.below(20)
    let scopes = 1 + random.below(3)
    let levels = (0..<items).map { _ in 1 + random.below(5) }
    let first = levels.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let scope = (0..<items).map { Int32($0 % scopes) }
    let sizes = (0..<items).map { _ in Int64(1 + random.below(3)) }
    var (bits, latency): ([Int64], [Int64]) = ([], [])
    for item in 0..<items {
      for level in 0..<levels[item] {
        bits.append(sizes[item] * Int64(level + 1))
        // Not rising with the level.
        latency.append(Int64(5 + random.below(10)))
      }
    }
    let resources = [
      Resource(name: "code-bits", cost: bits, quantum: 1),
      Resource(name: "latency-ms", cost: latency, quantum: 0.5),
    ]
    let witness = levels.map { UInt8(random.below($0)) }
    let unbounded = ChoiceProblem(
      first: first, loss: bits.map { _ in random.unit() }, scope: scope, resources: resources,
      limits: [], requirements: [])
    func limit(_ resource: Int, _ scope: Int?) -> Limit {
      let free = Limit(name: "", resource: resource, scope: scope, capacity: 0)
      let spent = unbounded.spent(on: free, by: witness)
      return Limit(
        name: "\(resources[resource].name) of \(scope.map(String.init) ?? "all")",
        resource: resource, scope: scope, capacity: spent + spent / 10)
    }
    var limits = [limit(0, nil)]
    if seed.isMultiple(of: 2) { limits.append(limit(1, nil)) }
    if seed.isMultiple(of: 3) { limits += (0..<scopes).map { limit(0, $0) } }
    let counts = (0..<items).flatMap { item in
      (0..<levels[item]).map { Int32($0 == 1 ? 1 : 0) }
    }
    let required = (0..<items).count { witness[$0] == 1 } / 2
    return ChoiceProblem(
      first: first, loss: unbounded.loss, scope: scope, resources: resources, limits: limits,
      requirements: seed.isMultiple(of: 4)
        ? [Requirement(bits: 3, scope: nil, atLeast: required, counts: counts)] : [])
  }

  /// Losses that have nothing to do with the levels.
  static func rugged(
    items: Int, levels: Int, seed: UInt64, sizes: [Int64]? = nil
  )
    -> ChoiceProblem
  {
    var random = SeededGenerator(seed: seed)
    let losses = (0..<items).map { _ in (0..<levels).map { _ in random.unit() } }
    let full = (sizes ?? [Int64](repeating: 1, count: items)).reduce(0, +) * Int64(levels)
    return plain(losses: losses, sizes: sizes, capacity: full * 6 / 10)
  }

  /// Losses 4^-bits times a weight per item: convex, as of real tables.
  static func convex(items: Int, levels: Int, seed: UInt64) -> ChoiceProblem {
    var random = SeededGenerator(seed: seed)
    let losses = (0..<items).map { _ in
      let weight = 0.1 + random.unit()
      return (0..<levels).map { weight / Double(1 << (2 * $0)) }
    }
    return plain(losses: losses, capacity: Int64(items * (levels + 1) / 2))
  }

  /// The least loss of all admissible plans that `qualifies`.
  func bruteForceOptimum(where qualifies: ([UInt8]) -> Bool = { _ in true }) -> Double {
    var best = Double.infinity
    var plan = [UInt8](repeating: 0, count: items)
    func visit(_ item: Int) {
      guard item < items else {
        if admits(plan), qualifies(plan) { best = min(best, loss(of: plan)) }
        return
      }
      for level in 0..<choices(of: item).count {
        plan[item] = UInt8(level)
        visit(item + 1)
      }
    }
    visit(0)
    return best
  }

  func scaled(by factor: Double) -> ChoiceProblem {
    ChoiceProblem(
      first: first, loss: loss.map { $0 * factor }, scope: scope, resources: resources,
      limits: limits, requirements: requirements)
  }
}

/// Every search, with options small enough for tests.
enum SearchCase: String, CaseIterable, Sendable {
  case uniform, onePoint, cloning, evopress, ungrouped, random, gradient

  var search: any PlanSearch {
    switch self {
    case .uniform: Self.evolutionary(.uniform)
    case .onePoint: Self.evolutionary(.onePoint)
    case .cloning: Self.evolutionary(.none)
    case .evopress: Self.evopress(.size)
    case .ungrouped: Self.evopress(.none)
    case .random: Self.random()
    case .gradient: Self.gradient()
    }
  }

  /// Those that work on a measured fitness.
  static let measured = allCases.filter { $0 != .gradient }

  private static func evolutionary(_ crossover: Crossover) -> EvolutionarySearch {
    var search = EvolutionarySearch()
    (search.population, search.parents, search.elitism) = (20, 8, 2)
    search.crossover = crossover
    search.mutations = Mutation.allCases
    search.mutationRate = 0.1
    search.generations = 12
    return search
  }

  private static func evopress(_ rule: GroupRule) -> EvoPressSearch {
    var search = EvoPressSearch()
    search.offspring = 12
    search.generations = 12
    search.groupRule = rule
    search.stages = [.init(survivors: 4, tokens: 10), .init(survivors: 1, tokens: 100)]
    return search
  }

  private static func random() -> RandomSearch {
    var search = RandomSearch()
    // The last batch is short.
    (search.evaluations, search.batch) = (130, 12)
    return search
  }

  private static func gradient() -> RelaxedGradient {
    var search = RelaxedGradient()
    (search.generations, search.stepsPerGeneration) = (12, 5)
    return search
  }
}
