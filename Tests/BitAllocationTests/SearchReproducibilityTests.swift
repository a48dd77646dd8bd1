import Foundation
import Statistics
import Testing

@testable import BitAllocation

@Suite("Searches are repeated and resumed bit by bit")
struct SearchReproducibilityTests {
  private static let problem = ChoiceProblem.rugged(items: 14, levels: 4, seed: 9)
  /// Not additive: neighbouring items interact.
  private static let measured = Fitness.measured { candidates, stage in
    candidates.map { plan in
      let pairs = zip(plan, plan.dropFirst()).map { Double($0) * Double($1) }
      return problem.loss(of: plan) + 0.01 * pairs.reduce(0, +) + 0.001 * Double(stage)
    }
  }

  @Test("a seed determines the result", arguments: SearchCase.allCases)
  func equalSeedsGiveEqualResults(_ name: SearchCase) throws {
    let search = name.search
    let results = try [4, 4, 5].map {
      try search.search(Self.problem, fitness: .surrogate, seed: $0)
    }
    #expect(results[0] == results[1])
    #expect(results[0].telemetry != results[2].telemetry)
  }

  @Test(
    "resumed after any generation, the result is that of the whole run",
    arguments: SearchCase.allCases)
  func resumeGivesTheSameResult(_ name: SearchCase) throws {
    try expectResumes(name.search, .surrogate)
  }

  @Test("so it is on a measured fitness", arguments: SearchCase.measured)
  func resumeGivesTheSameResultMeasured(_ name: SearchCase) throws {
    try expectResumes(name.search, Self.measured)
  }

  @Test("a search can be prolonged")
  func moreGenerationsGoOn() throws {
    var search = EvolutionarySearch()
    (search.population, search.parents, search.generations) = (10, 5, 3)
    var last: SearchState?
    _ = try search.search(
      Self.problem, fitness: .surrogate, seed: 2, checkpoint: SearchCheckpoint { last = $0 })
    search.generations = 9
    let whole = try search.search(Self.problem, fitness: .surrogate, seed: 2)
    let prolonged = try search.resume(
      from: try #require(last), Self.problem, fitness: .surrogate)
    #expect(prolonged == whole)
  }

  @Test("checkpoints come every k generations and at the start", arguments: [1, 5, 100])
  func checkpointsComeAsAsked(every: Int) throws {
    var generations: [Int] = []
    _ = try SearchCase.uniform.search.search(
      Self.problem, fitness: .surrogate, seed: 2,
      checkpoint: SearchCheckpoint(every: every) { generations.append($0.generation) })
    #expect(generations == (0...12).filter { $0 % every == 0 })
  }

  @Test("no two generations of a search share a stream")
  func streamsDiffer() {
    var first: Set<UInt64> = []
    for seed in 0..<20 as Range<UInt64> {
      for generation in 0..<200 {
        var random = SeededGenerator(seed: seed, generation: generation)
        for _ in 0..<5 { first.insert(random.next()) }
      }
    }
    #expect(first.count == 20 * 200 * 5)
  }

  @Test("Poisson counts have the mean and the variance asked for", arguments: [0, 0.3, 2.5, 100])
  func poissonCountsHaveTheirMoments(mean: Double) {
    var random = SeededGenerator(seed: 1)
    let distribution = PoissonCount(mean: mean)
    let draws = (0..<20_000).map { _ in Double(distribution.draw(using: &random)) }
    let average = draws.reduce(0, +) / 20_000
    let variance = draws.reduce(0) { $0 + ($1 - average) * ($1 - average) } / 20_000
    // Five standard errors of a mean, and of a variance: sqrt((mean + 2 mean²) / 20,000).
    #expect(abs(average - mean) <= 5 * (mean / 20_000).squareRoot())
    #expect(abs(variance - mean) <= 5 * ((mean + 2 * mean * mean) / 20_000).squareRoot())
  }

  /// Every state goes through JSON, as a saved one does.
  private func expectResumes(_ search: some PlanSearch, _ fitness: Fitness) throws {
    var states: [SearchState] = []
    let whole = try search.search(
      Self.problem, fitness: fitness, seed: 11, checkpoint: SearchCheckpoint { states.append($0) })
    #expect(states.count == whole.telemetry.count)
    for state in states {
      let data = try JSONEncoder().encode(state)
      let read = try JSONDecoder().decode(SearchState.self, from: data)
      #expect(read == state)
      #expect(try search.resume(from: read, Self.problem, fitness: fitness) == whole)
    }
  }
}
