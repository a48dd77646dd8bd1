import Statistics
import Synchronization
import Testing

@testable import BitAllocation

@Suite("EvoPress")
struct SearchEvoPressTests {
  /// Calls of a measured fitness.
  private final class Calls: Sendable {
    let made = Mutex<[(candidates: [[UInt8]], stage: Int)]>([])
  }

  @Test("the published schedule costs 1.18 million tokens a generation")
  func costIsThePublishedOne() {
    // METHODS 2.8: 128 · 2,048 + 16 · 16,384 + 5 · 131,072.
    #expect(EvoPressSearch().evaluationsPerGeneration == [128, 16, 5])
    #expect(EvoPressSearch().tokensPerGeneration == 1_179_648)
  }

  @Test("stages get λ, then the survivors, the parent joining the last; none twice")
  func stagesAreAsPublished() throws {
    let problem = ChoiceProblem.convex(items: 40, levels: 5, seed: 1)
    let calls = Calls()
    let fitness = Fitness.measured { candidates, stage in
      calls.made.withLock { $0.append((candidates, stage)) }
      return candidates.map(problem.loss(of:))
    }
    var search = EvoPressSearch()
    search.generations = 6
    search.initialisation = .fill
    var parents: [[UInt8]] = []
    let result = try search.search(
      problem, fitness: fitness, seed: 3,
      checkpoint: SearchCheckpoint { parents.append($0.population[0]) })
    let made = calls.made.withLock { $0 }
    #expect(made.map(\.stage) == [2] + [[Int]](repeating: [0, 1, 2], count: 6).flatMap { $0 })
    #expect(made.dropFirst().map(\.candidates.count).prefix(3) == [128, 16, 5])
    for (generation, parent) in parents.dropLast().enumerated() {
      let stages = made[(1 + 3 * generation)..<(4 + 3 * generation)].map(\.candidates)
      for candidates in stages { #expect(Set(candidates).count == candidates.count) }
      #expect(!stages[0].contains(parent))
      #expect(!stages[1].contains(parent))
      #expect(stages[2].contains(parent))
    }
    #expect(result.evaluations == made.reduce(0) { $0 + $1.candidates.count })
  }

  @Test("the parent is scored on the tokens of its own generation")
  func theParentIsScoredAgain() throws {
    let problem = ChoiceProblem.convex(items: 12, levels: 4, seed: 1)
    let calls = Calls()
    // Every call has tokens of its own, which shift all values alike.
    let fitness = Fitness.measured { candidates, stage in
      let shift = calls.made.withLock { calls in
        calls.append((candidates, stage))
        return 1024.0 * Double(calls.count)
      }
      return candidates.map { problem.loss(of: $0) + shift }
    }
    var search = EvoPressSearch()
    (search.offspring, search.generations) = (32, 20)
    search.initialisation = .fill
    let result = try search.search(problem, fitness: fitness, seed: 1)
    var plain = search
    plain.stages = [.init(survivors: 1, tokens: 1)]
    #expect(result.fitness == problem.loss(of: result.choice) + 1024 * (1 + 3 * 20))
    // Selection by stages with one order is selection at once.
    #expect(
      try plain.search(problem, fitness: .surrogate, seed: 1).choice == result.choice)
  }

  @Test("offspring fewer than λ are enough where there are no more")
  func smallNeighbourhoods() throws {
    // Two items, four plans of the same sum.
    let problem = ChoiceProblem.plain(
      losses: [[3, 2, 1, 0], [0, 0, 0, 0]], capacity: 5)
    var search = EvoPressSearch()
    search.generations = 3
    search.initialisation = .given([[0, 3]])
    let result = try search.search(problem, fitness: .surrogate, seed: 1)
    #expect(result.choice == [3, 0])
    #expect(result.telemetry.dropFirst().allSatisfy { $0.mutations[0].accepted == 3 })
  }

  @Test("a class of equal sizes keeps its average for ever; without groups it does not")
  func classesAreFrozen() throws {
    // Ten small items that hardly matter, ten large ones that do.
    let losses = (0..<20).map { item -> [Double] in
      let weight = Double(1 + item) * (item < 10 ? 0.01 : 1)
      return [weight, weight / 4, weight / 16, weight / 64]
    }
    let sizes = [Int64](repeating: 2, count: 10) + [Int64](repeating: 4, count: 10)
    let problem = ChoiceProblem.plain(losses: losses, sizes: sizes, capacity: 120)
    func sums(_ plan: [UInt8]) -> [Int] {
      [plan[..<10], plan[10...]].map { $0.reduce(0) { $0 + Int($1) } }
    }
    var search = EvoPressSearch()
    search.generations = 60
    let grouped = try search.search(
      problem, fitness: .surrogate, seed: 1,
      checkpoint: SearchCheckpoint { #expect(sums($0.best) == [10, 10]) })
    #expect(sums(grouped.choice) == [10, 10])
    search.groupRule = .none
    let free = try search.search(problem, fitness: .surrogate, seed: 1)
    #expect(sums(free.choice)[0] < 5)
    #expect(free.fitness < grouped.fitness)
  }

  @Test(
    "with a budget for every layer, bits move inside layers and the optimum of each is found",
    arguments: GroupRule.allCases)
  func layers(rule: GroupRule) throws {
    var random = SeededGenerator(seed: 3)
    let units = (0..<16).map { index in
      let scale = Double(1 + random.below(1000))
      return Unit(
        id: "unit.\(index)", layer: index / 4, weights: 64,
        levels: [2, 2.5, 3, 3.5, 4].map {
          Level(bits: $0, loss: scale / ($0 * $0), codeBits: 64 * $0)
        })
    }
    let problem = AllocationProblem(
      table: try SensitivityTable(units: units), budget: Budget(experts: 3), scope: .layer)
    var options = SearchOptions()
    (options.groupRule, options.generations, options.offspring) = (rule, 60, 64)
    let found = try SearchAllocator("evopress", options: options).allocate(problem, seed: 1)
    let exact = try ExactAllocator().allocate(problem, seed: 1)
    let record = try #require(found.search)
    let proposed = record.generations.flatMap(\.mutations)
    #expect(proposed.reduce(0) { $0 + $1.accepted } > 60 * 16)
    #expect(found.limits.allSatisfy { $0.slack >= 0 })
    let best = try #require(found.objective)
    let optimum = try #require(exact.objective)
    #expect(abs(best - optimum) <= 1e-12 * optimum)
  }

  @Test("a uniform plan that uses the budget up is the start, else random plans near it")
  func startsLikeThePaper() throws {
    var search = EvoPressSearch()
    search.generations = 0
    let losses = [[Double]](repeating: [3, 2, 1], count: 9)
    let full = ChoiceProblem.plain(losses: losses, capacity: 18)
    let uniform = try search.search(full, fitness: .surrogate, seed: 1)
    #expect(uniform.choice == .init(repeating: 1, count: 9))
    #expect(uniform.evaluations == 1)
    let between = ChoiceProblem.plain(losses: losses, capacity: 22)
    let drawn = try search.search(between, fitness: .surrogate, seed: 1)
    #expect(drawn.choice.reduce(0) { $0 + Int($1) + 1 } == 22)
    #expect(drawn.evaluations > 1)
  }
}
