import Statistics

/// Between which items EvoPress may move bits.
public enum GroupRule: String, Sendable, Equatable, Codable, CaseIterable {
  /// Inside groups of items of equal costs under the same limits, so that each group keeps its
  /// initial sum of levels for ever.
  case size
  /// Between all items under the same limits: one is raised, others are lowered until they give
  /// back what it took.
  case none
}

/// The (1+λ) search of EvoPress, with selection in stages.
///
/// An offspring is its parent with min(U{1,3}, U{1,3}) level switches. It is rejected if it equals
/// the parent or another offspring, or if a limit or requirement does not hold. Each stage keeps the
/// best of those it evaluates; the parent joins the last stage, where it is evaluated again, and is
/// replaced by an offspring that is better. On the surrogate all stages agree, so it is evaluated
/// once.
///
/// Departures: bounds may be several, of any resource; where fewer than λ different offspring are
/// found in 100 λ attempts, the generation goes on with those.
///
/// - SeeAlso: Sieberling et al. 2024, "EvoPress: Accurate Dynamic Model Compression via Evolutionary
///   Search", arXiv:2410.14649; METHODS §2.8.
public struct EvoPressSearch: PlanSearch {
  /// One step of selection.
  public struct Stage: Sendable, Equatable, Codable {
    public var survivors: Int
    /// Tokens that each candidate is evaluated on; for the owner of a measured fitness and for
    /// counting cost.
    public var tokens: Int

    public init(survivors: Int, tokens: Int) {
      self.survivors = survivors
      self.tokens = tokens
    }
  }

  public let name = "evopress"
  /// λ.
  public var offspring = 128
  public var generations = 150
  public var groupRule = GroupRule.size
  /// The last keeps one.
  public var stages = [
    Stage(survivors: 16, tokens: 2_048), Stage(survivors: 4, tokens: 16_384),
    Stage(survivors: 1, tokens: 131_072),
  ]
  public var initialisation = Initialisation.ceiling
  /// Plans to start from, the best of which is the first parent.
  public var initialCandidates = 10
  public var patience: Int?

  public init() {}

  /// Candidates evaluated in a generation: λ, then the survivors of each stage, with the parent in
  /// the last.
  public var evaluationsPerGeneration: [Int] {
    var counts = [offspring] + stages.dropLast().map(\.survivors)
    counts[counts.count - 1] += 1
    return counts
  }

  /// Σ evaluations · tokens over the stages.
  public var tokensPerGeneration: Int {
    zip(evaluationsPerGeneration, stages).reduce(0) { $0 + $1.0 * $1.1.tokens }
  }

  func check() throws(SearchError) {
    try checkCommonOptions()
    try require(offspring > 0, "offspring", offspring, "at least 1")
    try require(
      initialCandidates > 0, "initial candidates", initialCandidates, "at least 1")
    try require(!stages.isEmpty, "stages", "none", "at least one")
    let survivors = stages.map(\.survivors)
    try require(survivors.last == 1, "survivors", "\(survivors)", "1 in the last stage")
    try require(
      zip([offspring] + survivors, survivors).allSatisfy { $0 >= $1 }, "survivors",
      "\(survivors)", "falling from stage to stage, from at most the offspring")
  }

  public func start(
    _ problem: ChoiceProblem, _ fitness: Fitness, seed: UInt64
  ) throws -> SearchState {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    try evaluation.check()
    let bounds = Bounds(problem)
    guard bounds.items > 0 else { throw SearchError.noItems }
    _ = try LevelSwitches(problem, bounds, groupRule)
    var random = SeededGenerator(seed: seed, generation: 0)
    var seen: Set<[UInt8]> = []
    let plans = try AdmissibleStart(problem, bounds)
      .plans(initialCandidates, initialisation, using: &random)
      .filter { seen.insert($0).inserted }
    let values = try evaluation.values(of: plans, stage: stages.count - 1)
    var state = SearchState(
      search: name, seed: seed, population: plans, fitness: values, kinds: [.switch])
    (state.population, state.fitness) = ([state.best], [state.bestFitness])
    return state
  }

  public func generation(
    of problem: ChoiceProblem, _ fitness: Fitness
  ) throws -> (inout SearchState) throws -> Void {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    let bounds = Bounds(problem)
    let switches = try LevelSwitches(problem, bounds, groupRule)
    return { state in
      var random = SeededGenerator(seed: state.seed, generation: state.generation + 1)
      var count = MutationCount(kind: .switch)
      let parent = state.population[0]
      let plans = offspring(of: parent, switches, bounds, &count, using: &random)
      let (ranked, values) = try select(plans, parent, evaluation, &state.evaluations)
      let isBetter = ranked[0] != parent
      (state.population, state.fitness) = ([ranked[0]], [values[0]])
      state.generation += 1
      state.stagnation = isBetter ? 0 : state.stagnation + 1
      (state.best, state.bestFitness) = (ranked[0], values[0])
      record(plans, ranked, values, count, in: &state)
    }
  }

  private func offspring(
    of parent: [UInt8], _ switches: LevelSwitches, _ bounds: Bounds, _ count: inout MutationCount,
    using random: inout SeededGenerator
  ) -> [[UInt8]] {
    var draft = Draft(bounds)
    draft.load(parent)
    var seen: Set = [parent]
    var plans: [[UInt8]] = []
    while plans.count < offspring, count.proposed < 100 * offspring {
      count.proposed += 1
      draft.undo(to: 0)
      if switches.apply(to: &draft, using: &random), draft.violated == 0,
        seen.insert(draft.levels).inserted
      {
        plans.append(draft.levels)
      }
    }
    count.accepted = plans.count
    return plans
  }

  /// The last stage's candidates, best first, and their values; the parent precedes its equals.
  private func select(
    _ plans: [[UInt8]], _ parent: [UInt8], _ evaluation: Evaluation, _ evaluations: inout Int
  ) throws -> ([[UInt8]], [Double]) {
    var alive = plans
    for (stage, next) in stages.enumerated().dropLast() where evaluation.isMeasured {
      let values = try evaluation.values(of: alive, stage: stage)
      evaluations += alive.count
      alive = Self.order(of: values).prefix(next.survivors).map { alive[$0] }
    }
    alive.insert(parent, at: 0)
    let values = try evaluation.values(of: alive, stage: stages.count - 1)
    // The surrogate's value of the parent is known.
    evaluations += evaluation.isMeasured ? alive.count : alive.count - 1
    let order = Self.order(of: values)
    return (order.map { alive[$0] }, order.map { values[$0] })
  }

  private static func order(of values: [Double]) -> [Int] {
    values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
  }

  /// Mean fitness is of the last stage, diversity of all offspring.
  private func record(
    _ plans: [[UInt8]], _ ranked: [[UInt8]], _ values: [Double], _ count: MutationCount,
    in state: inout SearchState
  ) {
    state.telemetry.append(
      GenerationRecord(
        generation: state.generation, best: state.bestFitness,
        mean: values.reduce(0, +) / Double(values.count),
        diversity: SearchState.diversity(of: plans.isEmpty ? ranked : plans),
        evaluations: state.evaluations, mutations: [count]))
  }
}

/// EvoPress's mutation.
private struct LevelSwitches: Sendable {
  let rule: GroupRule
  /// Items under the same limits, for `size` also of equal costs.
  private let groups: [[Int]]
  /// The group of each item.
  private let group: [Int]
  /// Cost of each choice in the resource that is kept up by `none`, from `first[i]`.
  private let first: [Int]
  private let cost: [Int64]

  init(_ problem: ChoiceProblem, _ bounds: Bounds, _ rule: GroupRule) throws(SearchError) {
    self.rule = rule
    first = problem.first
    // Without limits any resource will do; without resources each level counts 1.
    let resource = problem.limits.first?.resource ?? problem.resources.indices.first
    cost =
      resource.map { problem.resources[$0].cost }
      ?? (0..<problem.items).flatMap { (0..<Int64(problem.choices(of: $0).count)) }
    let limited = Set(problem.limits.map(\.resource)).sorted()
    var (groups, group): ([[Int]], [Int]) = ([], [])
    var known: [[Int64]: Int] = [:]
    for item in 0..<problem.items {
      var key = problem.limits(over: item).map { Int64($0) }
      if rule == .size {
        key += [-1, Int64(bounds.levels[item])]
        for resource in limited {
          key += problem.resources[resource].cost[problem.choices(of: item)]
        }
      }
      let index = known[key, default: groups.count]
      if index == groups.count { groups.append([]) }
      known[key] = index
      groups[index].append(item)
      group.append(index)
    }
    guard rule == .none || groups.contains(where: { $0.count > 1 }) else { throw .noGroups }
    (self.groups, self.group) = (groups, group)
  }

  /// Whether all switches were possible; the draft may be over its bounds.
  func apply(to draft: inout Draft, using random: inout SeededGenerator) -> Bool {
    for _ in 0..<(1 + min(random.below(3), random.below(3))) {
      let done =
        switch rule {
        case .size: switchInGroup(&draft, using: &random)
        case .none: switchAnywhere(&draft, using: &random)
        }
      guard done else { return false }
    }
    return true
  }

  /// A random item's group is one drawn in proportion to its size.
  private func switchInGroup(_ draft: inout Draft, using random: inout SeededGenerator) -> Bool {
    let members = groups[group[random.below(group.count)]]
    guard let lowered = pick(members, where: { draft.levels[$0] > 0 }, using: &random),
      let raised = pick(
        members, where: { $0 != lowered && Self.canRise($0, draft) }, using: &random)
    else { return false }
    draft.set(lowered, to: Int(draft.levels[lowered]) - 1)
    draft.set(raised, to: Int(draft.levels[raised]) + 1)
    return true
  }

  /// Rejected after more than 10 items, or if less than 0.8 of what was removed was added.
  private func switchAnywhere(_ draft: inout Draft, using random: inout SeededGenerator) -> Bool {
    guard
      let raised = pick(
        group.indices, where: { Self.canRise($0, draft) }, using: &random)
    else { return false }
    let members = groups[group[raised]]
    let added = change(of: raised, by: 1, draft)
    draft.set(raised, to: Int(draft.levels[raised]) + 1)
    var removed: Int64 = 0
    var lowered = 0
    while removed < added {
      lowered += 1
      guard lowered < 10,
        let item = pick(
          members, where: { $0 != raised && draft.levels[$0] > 0 }, using: &random)
      else { return false }
      removed -= change(of: item, by: -1, draft)
      draft.set(item, to: Int(draft.levels[item]) - 1)
    }
    return Double(added) >= 0.8 * Double(removed)
  }

  private func change(of item: Int, by step: Int, _ draft: Draft) -> Int64 {
    let now = first[item] + Int(draft.levels[item])
    return cost[now + step] - cost[now]
  }

  private static func canRise(_ item: Int, _ draft: Draft) -> Bool {
    Int(draft.levels[item]) + 1 < draft.bounds.levels[item]
  }

  /// One of the members that qualify, all as likely.
  private func pick(
    _ members: some Collection<Int>, where qualifies: (Int) -> Bool,
    using random: inout SeededGenerator
  ) -> Int? {
    let count = members.count(where: qualifies)
    guard count > 0 else { return nil }
    var left = random.below(count)
    for member in members where qualifies(member) {
      if left == 0 { return member }
      left -= 1
    }
    return nil
  }
}
