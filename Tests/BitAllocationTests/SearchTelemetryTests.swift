import Statistics
import Testing

@testable import BitAllocation

@Suite("Telemetry of searches")
struct SearchTelemetryTests {
  private static let problem = ChoiceProblem.rugged(items: 15, levels: 4, seed: 3)

  @Test(
    "diversity is the mean share of differing items over all pairs",
    arguments: [1, 2, 7, 80])
  func diversityIsExact(members: Int) {
    var random = SeededGenerator(seed: 5)
    let population = (0..<members).map { _ in (0..<9).map { _ in UInt8(random.below(4)) } }
    var (sum, pairs) = (0.0, 0)
    for first in population.indices {
      for second in population.indices.dropFirst(first + 1) {
        let differing = zip(population[first], population[second]).count { $0 != $1 }
        sum += Double(differing) / 9
        pairs += 1
      }
    }
    // Two ways of rounding a quotient of sums below 1e5.
    #expect(
      abs(SearchState.diversity(of: population) - (pairs == 0 ? 0 : sum / Double(pairs))) < 1e-12)
  }

  @Test("records follow the states", arguments: SearchCase.allCases)
  func recordsFollowTheStates(_ name: SearchCase) throws {
    let checkpoint = SearchCheckpoint { state in
      let record = try #require(state.telemetry.last)
      #expect(record.generation == state.generation)
      #expect(record.best == state.bestFitness)
      #expect(record.best == Self.problem.loss(of: state.best))
      #expect(record.evaluations == state.evaluations)
      #expect(record.best <= record.mean + 1e-12)
    }
    let result = try name.search.search(
      Self.problem, fitness: .surrogate, seed: 7, checkpoint: checkpoint)
    #expect(result.telemetry.map(\.generation) == Array(0..<result.telemetry.count))
    #expect(result.telemetry.last?.evaluations == result.evaluations)
    for record in result.telemetry {
      for count in record.mutations { #expect(count.accepted <= count.proposed) }
    }
  }

  @Test("the evolutionary search evaluates what it bred and mutates as often as it is told")
  func evolutionaryCountsAddUp() throws {
    var search = EvolutionarySearch()
    (search.population, search.parents, search.elitism) = (50, 10, 5)
    (search.generations, search.mutations) = (100, Mutation.allCases)
    search.mutationRate = 0.2
    let result = try search.search(Self.problem, fitness: .surrogate, seed: 7)
    #expect(result.evaluations == 50 + 45 * 100)
    let proposed = result.telemetry.flatMap(\.mutations).reduce(0) { $0 + $1.proposed }
    // A Poisson sum of mean 45 · 100 · 0.2 · 15; five standard deviations.
    #expect(abs(Double(proposed) - 13_500) < 5 * 13_500.0.squareRoot())
    for record in result.telemetry { #expect(record.mutations.map(\.kind) == Mutation.allCases) }
  }

  @Test("a plan that is known is not measured again")
  func knownPlansAreNotMeasured() throws {
    var search = EvolutionarySearch()
    (search.population, search.parents, search.generations) = (30, 2, 20)
    search.crossover = .none
    let fitness = Fitness.measured { candidates, _ in
      #expect(Set(candidates).count == candidates.count)
      return candidates.map(Self.problem.loss(of:))
    }
    let measured = try search.search(Self.problem, fitness: fitness, seed: 7)
    let surrogate = try search.search(Self.problem, fitness: .surrogate, seed: 7)
    #expect(measured.choice == surrogate.choice)
    #expect(measured.evaluations < surrogate.evaluations)
  }

  @Test("EvoPress evaluates the offspring it accepted")
  func evoPressCountsAddUp() throws {
    let result = try SearchCase.ungrouped.search.search(
      Self.problem, fitness: .surrogate, seed: 7)
    let accepted = result.telemetry.flatMap(\.mutations).reduce(0) { $0 + $1.accepted }
    #expect(result.evaluations == result.telemetry[0].evaluations + accepted)
  }
}
