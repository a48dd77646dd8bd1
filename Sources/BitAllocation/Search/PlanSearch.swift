/// Called with the state after a generation, to save it; what it throws ends the search.
public struct SearchCheckpoint {
  /// Generations between calls; the start is generation 0.
  public let every: Int
  public let save: (SearchState) throws -> Void

  public init(every: Int = 1, save: @escaping (SearchState) throws -> Void) {
    self.every = every
    self.save = save
  }
}

/// A search for the admissible plan of least fitness, generation by generation.
///
/// A seed determines the result bit by bit, and so does a state: a search that goes on from a saved
/// one ends exactly as if it had not been interrupted.
public protocol PlanSearch: Sendable {
  /// As in specs: `evolutionary`, `evopress`, `random-search`, `relaxed-gradient`.
  var name: String { get }
  /// Generations after the start.
  var generations: Int { get }
  /// Generations without a better plan after which the search stops; nil: never.
  var patience: Int? { get }

  /// The first population, evaluated.
  ///
  /// - Parameters:
  ///   - problem: What plans must respect.
  ///   - fitness: What is minimized.
  ///   - seed: Of the whole search.
  /// - Returns: The state at generation 0.
  /// - Throws: ``SearchError`` for options and plans that cannot be used and for values that are
  ///   not finite; what a measured fitness throws.
  func start(_ problem: ChoiceProblem, _ fitness: Fitness, seed: UInt64) throws -> SearchState

  /// Something that advances states of this problem by a generation at a time.
  ///
  /// - Parameters:
  ///   - problem: As at the start.
  ///   - fitness: As at the start.
  /// - Returns: Turns a state into that after one more generation.
  /// - Throws: ``SearchError`` for options that cannot be used.
  func generation(
    of problem: ChoiceProblem, _ fitness: Fitness
  ) throws -> (inout SearchState) throws -> Void
}

extension PlanSearch {
  /// Searches from the start.
  ///
  /// - Parameters:
  ///   - problem: What plans must respect.
  ///   - fitness: What is minimized.
  ///   - seed: Determines the result.
  ///   - checkpoint: Where states are saved; nil: nowhere.
  /// - Returns: The best plan found.
  /// - Throws: ``SearchError``; what a measured fitness or the checkpoint throws.
  public func search(
    _ problem: ChoiceProblem, fitness: Fitness, seed: UInt64, checkpoint: SearchCheckpoint? = nil
  ) throws -> SearchResult {
    try check(checkpoint)
    let state = try start(problem, fitness, seed: seed)
    try checkpoint?.save(state)
    return try run(from: state, problem, fitness, checkpoint)
  }

  /// Goes on from a saved state, to the result of a search that was never interrupted.
  ///
  /// - Parameters:
  ///   - state: As saved by a search with the same options, of the same problem and fitness; the
  ///     number of generations and patience may have been raised.
  ///   - problem: As at the start.
  ///   - fitness: As at the start.
  ///   - checkpoint: Where states are saved; nil: nowhere.
  /// - Returns: The best plan found.
  /// - Throws: ``SearchError/foreignState(reason:)`` for a state that does not fit; as ``search``.
  public func resume(
    from state: SearchState, _ problem: ChoiceProblem, fitness: Fitness,
    checkpoint: SearchCheckpoint? = nil
  ) throws -> SearchResult {
    try check(checkpoint)
    if let reason = whyNot(state, problem) { throw SearchError.foreignState(reason: reason) }
    return try run(from: state, problem, fitness, checkpoint)
  }

  private func run(
    from state: SearchState, _ problem: ChoiceProblem, _ fitness: Fitness,
    _ checkpoint: SearchCheckpoint?
  ) throws -> SearchResult {
    var state = state
    let advance = try generation(of: problem, fitness)
    var stop = StopReason.generations
    while state.generation < generations {
      if let patience, state.stagnation >= patience {
        stop = .patience
        break
      }
      try advance(&state)
      if let checkpoint, state.generation.isMultiple(of: checkpoint.every) {
        try checkpoint.save(state)
      }
    }
    return SearchResult(
      choice: state.best, fitness: state.bestFitness, evaluations: state.evaluations,
      telemetry: state.telemetry, stop: stop)
  }

  /// Options that all searches have.
  func checkCommonOptions() throws(SearchError) {
    try require(generations >= 0, "generations", generations, "at least 0")
    if let patience { try require(patience > 0, "patience", patience, "at least 1") }
  }

  private func check(_ checkpoint: SearchCheckpoint?) throws(SearchError) {
    guard let checkpoint else { return }
    try require(checkpoint.every > 0, "checkpoint every", checkpoint.every, "at least 1")
  }

  private func whyNot(_ state: SearchState, _ problem: ChoiceProblem) -> String? {
    guard state.search == name else { return "it is of search \(state.search), not \(name)" }
    guard state.generation >= 0, state.stagnation >= 0, state.evaluations >= 0,
      state.telemetry.count == state.generation + 1, !state.population.isEmpty,
      state.population.count == state.fitness.count, state.fitness.allSatisfy(\.isFinite)
    else { return "its counts contradict each other" }
    let bounds = Bounds(problem)
    for plan in state.population + [state.best] {
      if let reason = problem.whyNot(plan, bounds) { return "of one of its plans, \(reason)" }
    }
    return nil
  }
}
