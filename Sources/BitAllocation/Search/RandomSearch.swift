import Statistics

/// As many admissible plans as evaluations are given, drawn by filling the budget at random: what a
/// search of the same cost must beat.
public struct RandomSearch: PlanSearch {
  public let name = "random-search"
  /// Plans drawn in all.
  public var evaluations = 25_600
  /// Plans drawn in a generation.
  public var batch = 128
  public var patience: Int?

  public init() {}

  /// The first batch is the start.
  public var generations: Int { max(0, (evaluations + max(batch, 1) - 1) / max(batch, 1) - 1) }

  func check() throws(SearchError) {
    try require(evaluations > 0, "evaluations", evaluations, "at least 1")
    try require(batch > 0, "batch", batch, "at least 1")
    try checkCommonOptions()
  }

  public func start(
    _ problem: ChoiceProblem, _ fitness: Fitness, seed: UInt64
  ) throws -> SearchState {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    try evaluation.check()
    let start = AdmissibleStart(problem, Bounds(problem))
    var random = SeededGenerator(seed: seed, generation: 0)
    let plans = try start.plans(min(batch, evaluations), .fill, using: &random)
    return SearchState(
      search: name, seed: seed, population: plans, fitness: try evaluation.values(of: plans))
  }

  public func generation(
    of problem: ChoiceProblem, _ fitness: Fitness
  ) throws -> (inout SearchState) throws -> Void {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    let start = AdmissibleStart(problem, Bounds(problem))
    return { state in
      var random = SeededGenerator(seed: state.seed, generation: state.generation + 1)
      let count = min(batch, evaluations - state.evaluations)
      guard count > 0 else {
        throw SearchError.foreignState(reason: "it has more evaluations than are given")
      }
      state.population = try start.plans(count, .fill, using: &random)
      state.fitness = try evaluation.values(of: state.population)
      state.evaluations += count
      state.sort()
      state.finishGeneration(mutations: [])
    }
  }
}
