import Testing

@testable import BitAllocation

@Suite("Errors of searches")
struct SearchErrorTests {
  private static let problem = ChoiceProblem.convex(items: 6, levels: 3, seed: 1)

  private func expect(
    _ message: String, from search: some PlanSearch, _ problem: ChoiceProblem = Self.problem,
    _ fitness: Fitness = .surrogate
  ) {
    do {
      _ = try search.search(problem, fitness: fitness, seed: 1)
      Issue.record("nothing was thrown; expected \(message)")
    } catch {
      #expect("\(error)" == message)
    }
  }

  private func evolutionary(_ change: (inout EvolutionarySearch) -> Void) -> EvolutionarySearch {
    var search = EvolutionarySearch()
    change(&search)
    return search
  }

  private func evopress(_ change: (inout EvoPressSearch) -> Void) -> EvoPressSearch {
    var search = EvoPressSearch()
    change(&search)
    return search
  }

  @Test("options of the evolutionary search")
  func evolutionaryOptions() {
    expect(
      "Search option population must be at least 1, got 0.",
      from: evolutionary { $0.population = 0 })
    expect(
      "Search option parents must be between 1 and the population, got 129.",
      from: evolutionary { $0.parents = 129 })
    expect(
      "Search option elitism must be at least 0, below the population, got 128.",
      from: evolutionary { $0.elitism = 128 })
    expect(
      "Search option mutation rate must be between 0 and 1, got nan.",
      from: evolutionary { $0.mutationRate = .nan })
    expect(
      "Search option mutations must be at least one kind, got none.",
      from: evolutionary { $0.mutations = [] })
    expect(
      "Search option generations must be at least 0, got -1.",
      from: evolutionary { $0.generations = -1 })
    expect(
      "Search option patience must be at least 1, got 0.",
      from: evolutionary { $0.patience = 0 })
  }

  @Test("options of EvoPress")
  func evoPressOptions() {
    expect(
      "Search option offspring must be at least 1, got 0.", from: evopress { $0.offspring = 0 })
    expect(
      "Search option initial candidates must be at least 1, got 0.",
      from: evopress { $0.initialCandidates = 0 })
    expect(
      "Search option stages must be at least one, got none.", from: evopress { $0.stages = [] })
    expect(
      "Search option survivors must be 1 in the last stage, got [2].",
      from: evopress { $0.stages = [.init(survivors: 2, tokens: 1)] })
    expect(
      "Search option survivors must be falling from stage to stage, from at most the offspring, "
        + "got [16, 4, 1].", from: evopress { $0.offspring = 8 })
  }

  @Test("options of the others")
  func otherOptions() {
    var random = RandomSearch()
    random.evaluations = 0
    expect("Search option evaluations must be at least 1, got 0.", from: random)
    random = RandomSearch()
    random.batch = 0
    expect("Search option batch must be at least 1, got 0.", from: random)
    var gradient = RelaxedGradient()
    gradient.learningRate = 0
    expect("Search option learning rate must be above 0, got 0.0.", from: gradient)
    gradient = RelaxedGradient()
    gradient.finalTemperature = 2
    expect(
      "Search option final temperature must be at most the initial one, got 2.0.", from: gradient)
    expect(
      "Search relaxed-gradient needs gradients, so it works on the additive surrogate only; "
        + "use evolutionary or evopress on a measured fitness.", from: RelaxedGradient(),
      Self.problem, .measured { plans, _ in plans.map { _ in 0 } })
  }

  @Test("a budget below the lowest levels, a requirement beyond the units")
  func noAdmissibleStart() {
    let losses = [[Double]](repeating: [2, 1], count: 4)
    let remedy =
      "Raise the budget, lower what is required, or give a plan to start from."
    let poor = ChoiceProblem.plain(losses: losses, capacity: 3)
    for name in SearchCase.allCases {
      expect(
        "No admissible plan was found to start from in 64 attempts: limit experts. \(remedy)",
        from: name.search, poor)
    }
    let plain = ChoiceProblem.plain(losses: losses, capacity: 8)
    let demanding = ChoiceProblem(
      first: plain.first, loss: plain.loss, scope: plain.scope, resources: plain.resources,
      limits: plain.limits,
      requirements: [
        .init(bits: 2.5, scope: 0, atLeast: 5, counts: [0, 1, 0, 1, 0, 1, 0, 1])
      ])
    expect(
      "No admissible plan was found to start from in 64 attempts: the requirement of 5 units at "
        + "2.5 bits in scope 0. \(remedy)", from: EvolutionarySearch(), demanding)
  }

  @Test("problems that cannot be searched")
  func badProblems() {
    let empty = ChoiceProblem(
      first: [0], loss: [], scope: [], resources: [], limits: [], requirements: [])
    for name in SearchCase.allCases {
      expect("There is nothing to search: the problem has no items.", from: name.search, empty)
    }
    let broken = ChoiceProblem.plain(losses: [[1, 0], [.nan, 0]], capacity: 4)
    for name in SearchCase.allCases {
      expect(
        "Item 1 has loss nan at its level 0, counted from 0; losses must be finite: "
          + "measure the table again.", from: name.search, broken)
    }
    let unequal = ChoiceProblem.plain(
      losses: [[1, 0], [1, 0]], sizes: [1, 2], capacity: 5)
    expect(
      "No two units have equal costs, so no levels can be switched inside a group; "
        + "use group rule none: --group-rule none, in a spec \"groupRule\": \"none\".",
      from: EvoPressSearch(), unequal)
  }

  @Test("plans that cannot be started from")
  func badPlans() {
    func given(_ plan: [UInt8]) -> EvolutionarySearch {
      evolutionary { $0.initialisation = .given([[0, 0, 0, 0, 0, 0], plan]) }
    }
    expect(
      "Plan 1, counted from 0, cannot be started from: it has 1 levels for 6 items.",
      from: given([0]))
    expect(
      "Plan 1, counted from 0, cannot be started from: item 2 has 3 levels, level 3 counted from 0 "
        + "is not one of them.", from: given([0, 0, 3, 0, 0, 0]))
    expect(
      "Plan 1, counted from 0, cannot be started from: it does not meet limit experts.",
      from: given([2, 2, 2, 2, 2, 2]))
  }

  @Test("what a measured fitness does wrong", arguments: SearchCase.measured)
  func badFitness(_ name: SearchCase) {
    struct Failure: Error {}
    let last = name == .evopress || name == .ungrouped ? 1 : 0
    expect(
      "Fitness of candidate 0, counted from 0, is nan at stage \(last); it must be finite. Look "
        + "for a level that breaks the model, or give such a candidate a large value.",
      from: name.search, Self.problem, .measured { plans, _ in plans.map { _ in .nan } })
    #expect(throws: SearchError.self) {
      try name.search.search(Self.problem, fitness: .measured { _, _ in [] }, seed: 1)
    }
    #expect(throws: Failure.self) {
      try name.search.search(
        Self.problem, fitness: .measured { _, _ in throw Failure() }, seed: 1)
    }
  }

  @Test("states of another search or problem, and what a checkpoint throws")
  func badStates() throws {
    struct DiskFull: Error {}
    #expect(throws: DiskFull.self) {
      try EvolutionarySearch().search(
        Self.problem, fitness: .surrogate, seed: 1,
        checkpoint: SearchCheckpoint { _ in throw DiskFull() })
    }
    let other = ChoiceProblem.convex(items: 7, levels: 3, seed: 1)
    for name in SearchCase.allCases {
      let state = try name.search.start(Self.problem, .surrogate, seed: 1)
      #expect(throws: SearchError.self) {
        try name.search.resume(from: state, other, fitness: .surrogate)
      }
      let stranger: SearchCase = name == .random ? .uniform : .random
      #expect(throws: SearchError.self) {
        try stranger.search.resume(from: state, Self.problem, fitness: .surrogate)
      }
      var damaged = state
      damaged.fitness = []
      #expect(throws: SearchError.self) {
        try name.search.resume(from: damaged, Self.problem, fitness: .surrogate)
      }
    }
  }
}
