import Statistics

/// How two parents make an offspring.
public enum Crossover: String, Sendable, Equatable, Codable, CaseIterable {
  /// Each item from one parent or the other, as likely.
  case uniform
  /// Items before a random point from one parent, the others from the other.
  case onePoint = "one-point"
  /// A copy of one parent.
  case none
}

/// A genetic algorithm over plans: truncation selection, crossover, mutation, elitism.
///
/// Each offspring has two parents, drawn from the best of the population. After crossover random
/// items are lowered until the limits hold; if that fails, the offspring is a copy of its first
/// parent. It then undergoes a Poisson number of changes, of which those that break a limit or a
/// requirement are repaired or undone.
///
/// An offspring equal to a plan of the previous population, or to another offspring, is not measured
/// again: a measured fitness must be the same function in all generations.
public struct EvolutionarySearch: PlanSearch {
  public let name = "evolutionary"
  /// Plans in a generation.
  public var population = 128
  /// The best so many may be parents.
  public var parents = 16
  public var crossover = Crossover.uniform
  /// Mean changes of an offspring, per item; nil: one an offspring, the usual rate of genetic
  /// algorithms (Mühlenbein 1992, "How genetic algorithms really work").
  public var mutationRate: Double?
  /// Each change is of one of these kinds, as likely.
  public var mutations: [Mutation] = [.switch, .redraw, .neighbour]
  /// The best so many live on unchanged.
  public var elitism = 8
  public var generations = 200
  public var initialisation = Initialisation.fill
  public var patience: Int?

  public init() {}

  func check() throws(SearchError) {
    try checkCommonOptions()
    try require(population > 0, "population", population, "at least 1")
    try require(
      (1...population).contains(parents), "parents", parents, "between 1 and the population")
    try require(
      (0..<population).contains(elitism), "elitism", elitism, "at least 0, below the population")
    try require(
      (0...1).contains(mutationRate ?? 0), "mutation rate", mutationRate ?? 0, "between 0 and 1")
    try require(!mutations.isEmpty, "mutations", "none", "at least one kind")
  }

  public func start(
    _ problem: ChoiceProblem, _ fitness: Fitness, seed: UInt64
  ) throws -> SearchState {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    try evaluation.check()
    var random = SeededGenerator(seed: seed, generation: 0)
    let plans = try AdmissibleStart(problem, Bounds(problem))
      .plans(population, initialisation, using: &random)
    var known = KnownFitness(evaluation)
    let values = try known.values(of: plans)
    var state = SearchState(
      search: name, seed: seed, population: plans, fitness: values, kinds: mutations)
    state.evaluations = known.evaluations
    state.telemetry[0].evaluations = known.evaluations
    return state
  }

  public func generation(
    of problem: ChoiceProblem, _ fitness: Fitness
  ) throws -> (inout SearchState) throws -> Void {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    let bounds = Bounds(problem)
    let changes = PoissonCount(mean: mutationRate.map { $0 * Double(bounds.items) } ?? 1)
    return { state in
      guard state.population.count == population else {
        throw SearchError.foreignState(
          reason: "it has \(state.population.count) plans, the population is \(population)")
      }
      var random = SeededGenerator(seed: state.seed, generation: state.generation + 1)
      var breeding = Breeding(self, bounds, changes)
      let offspring = (elitism..<population).map { _ in
        breeding.offspring(of: state.population, using: &random)
      }
      var known = KnownFitness(evaluation, state.population, state.fitness)
      let values = try known.values(of: offspring)
      state.population.replaceSubrange(elitism..., with: offspring)
      state.fitness.replaceSubrange(elitism..., with: values)
      state.evaluations += known.evaluations
      state.sort()
      state.finishGeneration(mutations: breeding.counts)
    }
  }
}

/// Makes offspring, and counts what mutations did.
private struct Breeding {
  let search: EvolutionarySearch
  let changes: PoissonCount
  private var draft: Draft
  private(set) var counts: [MutationCount]

  init(_ search: EvolutionarySearch, _ bounds: Bounds, _ changes: PoissonCount) {
    self.search = search
    self.changes = changes
    draft = Draft(bounds)
    counts = search.mutations.map { MutationCount(kind: $0) }
  }

  /// An offspring of plans that are given best first.
  mutating func offspring(
    of plans: [[UInt8]], using random: inout SeededGenerator
  ) -> [UInt8] {
    let first = plans[random.below(search.parents)]
    if search.crossover == .none {
      draft.load(first)
    } else {
      let second = plans[random.below(search.parents)]
      draft.load(cross(first, second, using: &random))
      if draft.violated > 0, !draft.repair(tries: first.count, using: &random) {
        draft.load(first)
      }
    }
    for _ in 0..<changes.draw(using: &random) {
      let kind = search.mutations.count == 1 ? 0 : random.below(search.mutations.count)
      counts[kind].proposed += 1
      if draft.mutate(search.mutations[kind], using: &random) { counts[kind].accepted += 1 }
    }
    return draft.levels
  }

  private func cross(
    _ first: [UInt8], _ second: [UInt8], using random: inout SeededGenerator
  ) -> [UInt8] {
    guard search.crossover == .uniform else {
      let point = random.below(first.count + 1)
      return Array(first[..<point] + second[point...])
    }
    var child = first
    var start = 0
    while start < child.count {
      var coins = random.next()
      for item in start..<min(start + 64, child.count) {
        // All ones or all zeros: a branch here would be mispredicted half of the time.
        let mask = 0 &- UInt8(truncatingIfNeeded: coins & 1)
        child[item] ^= (child[item] ^ second[item]) & mask
        coins >>= 1
      }
      start += 64
    }
    return child
  }
}

/// Evaluates each different plan of a generation once, if that is expensive.
private struct KnownFitness {
  let evaluation: Evaluation
  private var values: [[UInt8]: Double] = [:]
  private(set) var evaluations = 0

  init(_ evaluation: Evaluation, _ plans: [[UInt8]] = [], _ fitness: [Double] = []) {
    self.evaluation = evaluation
    guard evaluation.isMeasured else { return }
    for (plan, value) in zip(plans, fitness) { values[plan] = value }
  }

  mutating func values(of plans: [[UInt8]]) throws -> [Double] {
    guard evaluation.isMeasured else {
      evaluations += plans.count
      return try evaluation.values(of: plans)
    }
    var seen = Set(values.keys)
    let new = plans.filter { seen.insert($0).inserted }
    for (plan, value) in zip(new, try evaluation.values(of: new)) { values[plan] = value }
    evaluations += new.count
    return plans.map { values[$0] ?? .infinity }
  }
}
