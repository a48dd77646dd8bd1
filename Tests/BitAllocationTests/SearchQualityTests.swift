import Testing

@testable import BitAllocation

@Suite("What searches find")
struct SearchQualityTests {
  @Test("never worse than the plan started from", arguments: 0..<20 as Range<UInt64>)
  func neverWorseThanTheStart(seed: UInt64) throws {
    let problem = ChoiceProblem.convex(items: 12, levels: 4, seed: seed)
    let optimum = try #require(
      ExactKnapsack(
        Knapsack(
          first: problem.first, loss: problem.loss, cost: problem.resources[0].cost,
          capacity: problem.limits[0].capacity)))
    var evolutionary = EvolutionarySearch()
    (evolutionary.population, evolutionary.parents) = (8, 4)
    (evolutionary.elitism, evolutionary.generations) = (0, 10)
    evolutionary.initialisation = .given([optimum.choice])
    var evopress = EvoPressSearch()
    (evopress.offspring, evopress.generations) = (16, 10)
    evopress.initialisation = .given([optimum.choice])
    for search in [evolutionary, evopress] as [any PlanSearch] {
      let result = try search.search(problem, fitness: .surrogate, seed: seed)
      #expect(result.choice == optimum.choice)
      #expect(result.fitness == problem.loss(of: optimum.choice))
    }
  }

  @Test("the best only falls on the surrogate", arguments: SearchCase.allCases)
  func theBestOnlyFalls(_ name: SearchCase) throws {
    let problem = ChoiceProblem.rugged(items: 20, levels: 4, seed: 2)
    let best = try name.search.search(problem, fitness: .surrogate, seed: 3).telemetry.map(\.best)
    #expect(zip(best, best.dropFirst()).allSatisfy { $0 >= $1 })
  }

  @Test(
    "scaling losses by a power of two changes no plan",
    arguments: SearchCase.allCases, [0x1p-40, 0x1p30])
  func scaleDoesNotMatter(_ name: SearchCase, factor: Double) throws {
    for problem in [
      ChoiceProblem.rugged(items: 16, levels: 4, seed: 4),
      ChoiceProblem.convex(items: 16, levels: 4, seed: 4),
    ] {
      let plain = try name.search.search(problem, fitness: .surrogate, seed: 5)
      let scaled = try name.search.search(
        problem.scaled(by: factor), fitness: .surrogate, seed: 5)
      #expect(scaled.choice == plain.choice)
      #expect(scaled.fitness == plain.fitness * factor)
    }
  }

  @Test("tiny rugged problems are solved", arguments: 0..<6 as Range<UInt64>, Crossover.allCases)
  func tinyProblemsAreSolved(seed: UInt64, crossover: Crossover) throws {
    let problem = ChoiceProblem.rugged(
      items: 7, levels: 4, seed: seed, sizes: [1, 2, 3, 1, 2, 3, 5])
    var search = EvolutionarySearch()
    (search.population, search.parents, search.elitism) = (40, 20, 2)
    search.crossover = crossover
    (search.mutationRate, search.mutations) = (0.25, Mutation.allCases)
    search.generations = 300
    let result = try search.search(problem, fitness: .surrogate, seed: seed)
    #expect(result.fitness == problem.bruteForceOptimum())
  }

  @Test("a measured fitness that no sum of losses describes is minimized too")
  func interactionsAreFound() throws {
    // Three items at the highest level and three at the lowest use the budget up.
    let problem = ChoiceProblem.plain(
      losses: .init(repeating: [0, 0, 0, 0], count: 6), capacity: 15)
    // Least where levels alternate between the highest and the lowest.
    let score: @Sendable ([UInt8]) -> Double = { plan in
      -zip(plan, plan.dropFirst()).reduce(0) { $0 + abs(Double($1.0) - Double($1.1)) }
    }
    var search = EvolutionarySearch()
    (search.population, search.parents, search.generations) = (40, 20, 100)
    search.mutationRate = 0.3
    let result = try search.search(
      problem, fitness: .measured { plans, _ in plans.map(score) }, seed: 1)
    #expect(result.fitness == -15)
    #expect([[0, 3, 0, 3, 0, 3], [3, 0, 3, 0, 3, 0]].contains(result.choice))
  }

  @Test("EvoPress finds the best plan of its classes", arguments: 0..<6 as Range<UInt64>)
  func evoPressSolvesItsClasses(seed: UInt64) throws {
    let problem = ChoiceProblem.convex(items: 7, levels: 4, seed: seed)
    var search = EvoPressSearch()
    (search.offspring, search.generations) = (64, 60)
    let start = [UInt8]([1, 1, 1, 1, 2, 2, 2])
    search.initialisation = .given([start])
    let result = try search.search(problem, fitness: .surrogate, seed: seed)
    let sum = start.reduce(0) { $0 + Int($1) }
    #expect(
      result.fitness
        == problem.bruteForceOptimum { $0.reduce(0) { $0 + Int($1) } == sum })
  }

  @Test(
    "the gradient search comes near the optimum of a convex problem",
    arguments: 0..<5 as Range<UInt64>)
  func gradientComesNear(seed: UInt64) throws {
    let problem = ChoiceProblem.convex(items: 64, levels: 5, seed: seed)
    let optimum = try #require(
      ExactKnapsack(
        Knapsack(
          first: problem.first, loss: problem.loss, cost: problem.resources[0].cost,
          capacity: problem.limits[0].capacity)))
    let result = try RelaxedGradient().search(problem, fitness: .surrogate, seed: seed)
    // On 256 such items the optimum itself is found; the best of 25,600 random plans loses 2.6 times
    // as much.
    #expect(result.fitness <= optimum.loss * 1.02)
    #expect(result.fitness >= optimum.loss * (1 - 1e-12))
  }

  @Test("random search draws as many plans as it is given", arguments: [1, 127, 128, 1000])
  func randomSearchSpendsItsEvaluations(evaluations: Int) throws {
    let problem = ChoiceProblem.convex(items: 10, levels: 4, seed: 1)
    var search = RandomSearch()
    search.evaluations = evaluations
    let result = try search.search(problem, fitness: .surrogate, seed: 1)
    #expect(result.evaluations == evaluations)
    #expect(result.stop == .generations)
  }

  @Test("patience ends a search that no longer gets better", arguments: SearchCase.allCases)
  func patienceEnds(_ name: SearchCase) throws {
    // All plans are equal.
    let problem = ChoiceProblem.plain(
      losses: .init(repeating: [1, 1, 1], count: 8), capacity: 16)
    var search = name.search
    switch search {
    case var evolutionary as EvolutionarySearch:
      evolutionary.patience = 3
      search = evolutionary
    case var evopress as EvoPressSearch:
      evopress.patience = 3
      search = evopress
    case var random as RandomSearch:
      random.patience = 3
      search = random
    case var gradient as RelaxedGradient:
      gradient.patience = 3
      search = gradient
    default: Issue.record("an unknown search")
    }
    let result = try search.search(problem, fitness: .surrogate, seed: 1)
    #expect(result.stop == .patience)
    #expect(result.telemetry.count == 4)
  }
}
