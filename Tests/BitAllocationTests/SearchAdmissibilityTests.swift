import Statistics
import Testing

@testable import BitAllocation

@Suite("Searches keep limits and requirements")
struct SearchAdmissibilityTests {
  @Test("every plan of every generation is admissible", arguments: SearchCase.allCases)
  func everyPlanIsAdmissible(_ name: SearchCase) throws {
    for seed in 0..<48 as Range<UInt64> {
      let problem = ChoiceProblem.drawn(seed: seed)
      let checkpoint = SearchCheckpoint { state in
        for plan in state.population + [state.best] { Self.expectAdmissible(plan, problem) }
      }
      let result: SearchResult
      do {
        result = try name.search.search(
          problem, fitness: .surrogate, seed: seed, checkpoint: checkpoint)
      } catch SearchError.noGroups {
        // No two items of equal costs were drawn.
        continue
      }
      Self.expectAdmissible(result.choice, problem)
      #expect(result.fitness == problem.loss(of: result.choice))
    }
  }

  @Test("only admissible plans are measured", arguments: SearchCase.measured)
  func onlyAdmissiblePlansAreMeasured(_ name: SearchCase) throws {
    for seed in 0..<16 as Range<UInt64> {
      let problem = ChoiceProblem.drawn(seed: seed)
      let fitness = Fitness.measured { candidates, _ in
        for plan in candidates { Self.expectAdmissible(plan, problem) }
        return candidates.map(problem.loss(of:))
      }
      do {
        _ = try name.search.search(problem, fitness: fitness, seed: seed)
      } catch SearchError.noGroups {}
    }
  }

  @Test("all initialisations give admissible plans")
  func startsAreAdmissible() throws {
    for seed in 0..<64 as Range<UInt64> {
      let problem = ChoiceProblem.drawn(seed: seed)
      let start = AdmissibleStart(problem, Bounds(problem))
      for initialisation in [Initialisation.random, .fill, .ceiling] {
        var random = SeededGenerator(seed: seed)
        for plan in try start.plans(5, initialisation, using: &random) {
          Self.expectAdmissible(plan, problem)
        }
      }
    }
  }

  @Test("a filled plan has no room for one more level of any item")
  func filledPlansAreFull() throws {
    let sizes: [Int64] = [1, 2, 3, 5, 5, 5, 5, 5, 5, 7, 7, 9]
    let problem = ChoiceProblem.rugged(items: 12, levels: 4, seed: 1, sizes: sizes)
    var random = SeededGenerator(seed: 3)
    let start = AdmissibleStart(problem, Bounds(problem))
    for plan in try start.plans(20, .fill, using: &random) {
      for item in 0..<problem.items where plan[item] < 3 {
        var raised = plan
        raised[item] += 1
        #expect(!problem.admits(raised))
      }
    }
  }

  @Test("a requirement that fights the budget is met from the start")
  func requirementsAreMet() throws {
    // Ten items, cost 1...4, capacity 16: three at the top level leave 4 for the other seven.
    let plain = ChoiceProblem.rugged(items: 10, levels: 4, seed: 5)
    let problem = ChoiceProblem(
      first: plain.first, loss: plain.loss, scope: plain.scope, resources: plain.resources,
      limits: [.init(name: "experts", resource: 0, scope: nil, capacity: 19)],
      requirements: [
        .init(
          bits: 4, scope: nil, atLeast: 3,
          counts: (0..<40).map { $0 % 4 == 3 ? 1 : 0 })
      ])
    for name in SearchCase.allCases {
      let result = try name.search.search(problem, fitness: .surrogate, seed: 1)
      #expect(problem.admits(result.choice), "\(name)")
      #expect(result.choice.count { $0 == 3 } >= 3)
    }
  }

  @Test("sums kept up to date while a draft changes are those of the plan")
  func draftSumsAreExact() throws {
    for seed in 0..<20 as Range<UInt64> {
      let problem = ChoiceProblem.drawn(seed: seed)
      var random = SeededGenerator(seed: seed)
      var draft = Draft(Bounds(problem))
      let start = draft.levels
      for _ in 0..<200 {
        let item = random.below(problem.items)
        draft.set(item, to: random.below(problem.choices(of: item).count))
        for (index, limit) in problem.limits.enumerated() {
          #expect(draft.sums[index] == problem.spent(on: limit, by: draft.levels))
        }
        #expect((draft.violated == 0) == problem.admits(draft.levels))
      }
      draft.undo(to: 0)
      #expect(draft.levels == start)
    }
  }

  private static func expectAdmissible(_ plan: [UInt8], _ problem: ChoiceProblem) {
    #expect(plan.count == problem.items)
    #expect(plan.indices.allSatisfy { Int(plan[$0]) < problem.choices(of: $0).count })
    #expect(problem.admits(plan))
  }
}
