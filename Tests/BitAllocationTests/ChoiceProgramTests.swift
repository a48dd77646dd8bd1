import Foundation
import Statistics
import Testing

@testable import BitAllocation

@Suite("Choice programs")
struct ChoiceProgramTests {
  private func plain(_ knapsack: Knapsack) -> ChoiceProblem {
    ChoiceProblem(
      first: knapsack.first, loss: knapsack.loss,
      scope: [Int32](repeating: 0, count: knapsack.items),
      resources: [.init(name: "bits", cost: knapsack.cost, quantum: 0.5)],
      limits: [.init(name: "bits", resource: 0, scope: nil, capacity: knapsack.capacity)],
      requirements: [])
  }

  /// Every plan of a small problem.
  private func plans(_ problem: ChoiceProblem) -> [[UInt8]] {
    (0..<problem.items).reduce([[]]) { plans, item in
      plans.flatMap { plan in
        problem.choices(of: item).indices.map { index in
          plan + [UInt8(index - problem.first[item])]
        }
      }
    }
  }

  /// Items in layers, some of them ties of two units; limits on two resources over all items and on
  /// one in each layer; a counted level.
  private func layered(_ generator: inout SeededGenerator, items: Int) -> ChoiceProblem {
    let kind = KnapsackKind.allCases[generator.below(KnapsackKind.allCases.count)]
    let knapsack = kind.knapsack(items: items, &generator)
    let scope = (0..<items).map { Int32($0 * 2 / items) }
    let second = knapsack.cost.map { _ in Int64(generator.below(30)) }
    var counts: [Int32] = []
    for item in 0..<items {
      let units = Int32(1 + generator.below(2))
      let size = knapsack.first[item + 1] - knapsack.first[item]
      for index in 0..<size { counts.append(index == 1 ? units : 0) }
    }
    let middle = { (cost: [Int64], factor: Double) -> Int64 in
      let ends = Knapsack.ends(knapsack.first, cost)
      return ends.least + Int64(factor * Double(ends.most - ends.least))
    }
    var limits: [ChoiceProblem.Limit] = []
    if generator.below(3) > 0 {
      limits.append(.init(name: "a", resource: 0, scope: nil, capacity: knapsack.capacity))
    }
    if generator.below(2) == 0 {
      limits.append(.init(name: "b", resource: 1, scope: nil, capacity: middle(second, 0.4)))
    }
    if generator.below(2) == 0 {
      for layer in 0..<2 {
        limits.append(
          .init(
            name: "layer \(layer)", resource: 0, scope: layer,
            capacity: middle(knapsack.cost, 0.2 + 0.1 * Double(generator.below(4)))))
      }
    }
    var requirements: [ChoiceProblem.Requirement] = []
    if generator.below(2) == 0 {
      requirements.append(
        .init(
          bits: 2.5, scope: generator.below(2) == 0 ? nil : 1, atLeast: 1 + generator.below(2),
          counts: counts))
    }
    return ChoiceProblem(
      first: knapsack.first, loss: knapsack.loss, scope: scope,
      resources: [
        .init(name: "bits", cost: knapsack.cost, quantum: 0.5),
        .init(name: "ms", cost: second, quantum: 1e-3),
      ], limits: limits, requirements: requirements)
  }

  @Test("limits, layers, ties and counted levels: the loss is that of enumeration")
  func general() throws {
    var generator = SeededGenerator(seed: 21)
    var (feasible, infeasible) = (0, 0)
    for round in 0..<400 {
      let problem = layered(&generator, items: 1 + generator.below(6))
      let best = plans(problem).filter(problem.admits).map(problem.loss(of:)).min()
      let solution = try ChoiceProgram(problem).solve()
      guard let best else {
        #expect(solution == nil, "round \(round)")
        infeasible += 1
        continue
      }
      feasible += 1
      let found = try #require(solution, "round \(round)")
      let size = max(abs(best), found.choice.isEmpty ? 0 : leastMagnitude(problem))
      #expect(found.isOptimal && problem.admits(found.choice), "round \(round)")
      #expect(abs(found.loss - best) <= 1e-9 * size, "round \(round): \(found.loss) for \(best)")
      #expect(found.lowerBound <= best + 1e-9 * size, "round \(round)")
      #expect(found.loss == problem.loss(of: found.choice))
      #expect(found.price.count == problem.limits.count && found.price.allSatisfy { $0 >= 0 })
    }
    #expect(feasible > 100 && infeasible > 10)
  }

  private func leastMagnitude(_ problem: ChoiceProblem) -> Double {
    Knapsack(first: problem.first, loss: problem.loss, cost: problem.resources[0].cost, capacity: 0)
      .magnitude
  }

  @Test("the cheapest choice of a resource keeps everything else, and none spends less")
  func cheapest() throws {
    var generator = SeededGenerator(seed: 22)
    for round in 0..<150 {
      let problem = layered(&generator, items: 1 + generator.below(5))
      let all = plans(problem)
      for resource in Set(problem.limits.map(\.resource)).sorted() {
        let relaxed = ChoiceProblem(
          first: problem.first, loss: problem.loss, scope: problem.scope,
          resources: problem.resources,
          limits: problem.limits.filter { $0.resource != resource },
          requirements: problem.requirements)
        func spent(_ choice: [UInt8]) -> Int64 {
          choice.enumerated().reduce(0) {
            $0 + problem.resources[resource].cost[problem.first[$1.offset] + Int($1.element)]
          }
        }
        let found = try ChoiceProgram(problem).cheapest(ofResource: resource)
        #expect(found.map(relaxed.admits) ?? true)
        #expect(
          found.map(spent) == all.filter(relaxed.admits).map(spent).min(), "round \(round)")
      }
    }
  }

  @Test("a budget for every layer names the layer that needs most, requirements counted")
  func nearestOfLayers() throws {
    let units = (0..<2).flatMap { (layer: Int) in
      (0..<4).map { (expert: Int) in
        BitAllocation.Unit(
          id: "layers.\(layer).experts.\(expert)", layer: layer, expert: expert, weights: 10,
          levels: (layer == 0 ? [1.0, 3] : [2, 3]).map {
            Level(bits: $0, loss: 4 - $0, codeBits: 10 * $0)
          })
      }
    }
    var problem = AllocationProblem(
      table: try SensitivityTable(units: units),
      budget: Budget(bounds: [Budget.Bound(.experts, 1)]), scope: .layer)
    #expect(
      throws: AllocationError.infeasible(bound: "experts of layer 1", value: 1, nearest: 2)
    ) { try ExactAllocator().allocate(problem, seed: 0) }
    problem.requirements = [AllocationProblem.Requirement(bits: 3, count: 1)]
    problem.budget = Budget(bounds: [Budget.Bound(.experts, 2)])
    #expect(
      throws: AllocationError.infeasible(bound: "experts of layer 1", value: 2, nearest: 2.25)
    ) { try ExactAllocator().allocate(problem, seed: 0) }
  }

  @Test("a plain knapsack has the loss of the exact search", arguments: KnapsackKind.allCases)
  func plainKnapsacks(kind: KnapsackKind) throws {
    var generator = SeededGenerator(seed: 23)
    for round in 0..<12 {
      let knapsack = kind.knapsack(items: 20 + generator.below(150), &generator)
      let exact = try #require(ExactKnapsack(knapsack))
      let solution = try #require(try ChoiceProgram(plain(knapsack)).solve())
      let size = max(abs(exact.loss), kind == .negative ? knapsack.magnitude : 0)
      #expect(exact.proven && solution.isOptimal, "\(kind) \(round)")
      #expect(
        abs(solution.loss - exact.loss) <= 1e-9 * size,
        "\(kind) \(round): \(solution.loss) for \(exact.loss)")
      #expect(plain(knapsack).admits(solution.choice))
    }
  }

  @Test("costs of billions are not exceeded by a unit, where the solver's tolerance would")
  func largeCosts() throws {
    var generator = SeededGenerator(seed: 7724)
    for round in 0..<40 {
      let items = 8
      var (first, loss, cost) = ([0], [Double](), [Int64]())
      for _ in 0..<items {
        for choice in 0..<3 {
          cost.append(Int64(choice + 1) * 1_000_000_007 + Int64(generator.below(1_000_000)))
          loss.append(Double(generator.below(1000)) / Double(choice + 1))
        }
        first.append(loss.count)
      }
      // One less than what some plan costs, so that this plan is a unit over.
      let over = (0..<items).reduce(Int64(-1)) { $0 + cost[3 * $1 + generator.below(3)] }
      let knapsack = Knapsack(first: first, loss: loss, cost: cost, capacity: over)
      let best = knapsack.enumerated()
      let solution = try ChoiceProgram(plain(knapsack)).solve()
      #expect((solution == nil) == (best == nil), "round \(round)")
      guard let best, let solution else { continue }
      #expect(plain(knapsack).admits(solution.choice), "round \(round)")
      #expect(abs(solution.loss - best) <= 1e-9 * abs(best), "round \(round)")
    }
  }

  @Test("equal problems give equal answers")
  func deterministic() throws {
    var generator = SeededGenerator(seed: 25)
    for _ in 0..<10 {
      let problem = layered(&generator, items: 60)
      #expect(try ChoiceProgram(problem).solve() == ChoiceProgram(problem).solve())
    }
  }

  @Test("prices are what one more unit of a binding limit saves in the relaxation")
  func prices() throws {
    // Convex losses and equal costs: the relaxation is piecewise linear with known slopes.
    let problem = ChoiceProblem(
      first: [0, 3, 6], loss: [9, 4, 3, 7, 5, 4.5], scope: [0, 1],
      resources: [.init(name: "bits", cost: [2, 4, 6, 2, 4, 6], quantum: 1)],
      limits: [
        .init(name: "0", resource: 0, scope: 0, capacity: 3),
        .init(name: "1", resource: 0, scope: 1, capacity: 5),
      ], requirements: [])
    let solution = try #require(try ChoiceProgram(problem).solve())
    // Slopes: (9 − 4) / 2 in the first layer, (5 − 4.5) / 2 in the second.
    #expect(abs(solution.price[0] - 2.5) < 1e-9 && abs(solution.price[1] - 0.25) < 1e-9)
    // 9 − 2.5 and 5 − 0.25; the plan itself cannot spend the odd bits.
    #expect(abs(solution.lowerBound - 11.25) < 1e-9)
    #expect(solution.choice == [0, 1] && solution.loss == 14 && solution.isOptimal)
  }

  @Test("each budget that binds has its price: what a little more of it saves in the relaxation")
  func pricesOfBudgets() throws {
    let table = try SensitivityTable.hard(units: 12, seed: 5)
    var units = table.units
    for index in units.indices {
      units[index].layer = index / 6
      for level in units[index].levels.indices {
        units[index].levels[level].resources["latency-ms"] =
          Double((index * 7 + level * 5) % 11) + Double(level)
      }
    }
    let layered = try SensitivityTable(units: units)
    func allocation(
      _ bounds: [Budget.Bound], _ scope: AllocationProblem.Scope = .model
    ) throws
      -> Certificate
    {
      let problem = AllocationProblem(
        table: layered, budget: Budget(bounds: bounds), scope: scope)
      return try #require(try ExactAllocator().allocate(problem, seed: 0).certificate)
    }
    let both = try allocation([.init(.experts, 3), .init(.resource("latency-ms"), 60)])
    #expect(both.prices.map(\.budget).contains("latency-ms"))
    #expect(both.prices.filter { $0.budget == "latency-ms" }.map(\.unit) == ["unit of latency-ms"])
    #expect(both.freeUnits != nil)
    // The bound is convex in the budget: the price lies between the changes on its two sides.
    let price = try #require(both.prices.first { $0.budget == "latency-ms" })
    let bounds = try [59, 60, 61].map {
      try allocation([.init(.experts, 3), .init(.resource("latency-ms"), $0)]).lowerBound
    }
    #expect(bounds[0] - bounds[1] >= price.loss * (1 - 1e-9))
    #expect(bounds[1] - bounds[2] <= price.loss * (1 + 1e-9))
    #expect(bounds[0] > bounds[2])

    let perLayer = try allocation([.init(.experts, 3)], .layer)
    #expect(perLayer.prices.map(\.budget) == ["experts of layer 0", "experts of layer 1"])
    #expect(perLayer.prices.allSatisfy { $0.unit == "byte" && $0.loss > 0 })
    #expect(perLayer.pricePerByte == nil)
  }

  @Test("knapsack and integer program count the same free units of a plan")
  func freeUnits() throws {
    // Seventeen bits: the relaxation divides unit 1 between 2 and 6 bits, so these cost the same.
    let units = [(0, [10.0, 0, -0.5]), (1, [5.0001, 1, 0.9]), (2, [9.0, 4, 3.4])].map {
      id, losses in
      BitAllocation.Unit(
        id: "unit.\(id)", layer: 0, weights: 1,
        levels: zip([2.0, 6, 7], losses).map { Level(bits: $0, loss: $1, codeBits: $0) })
    }
    let table = try SensitivityTable(units: units)
    var problem = AllocationProblem(table: table, budget: Budget(experts: 17.0 / 3))
    let knapsack = try #require(ExactAllocator().allocate(problem, seed: 0).certificate)
    // A second budget that never binds sends the same problem to the integer program.
    problem.budget.bounds.append(.init(.ledger(.expertCodeBits), 100))
    let program = try ExactAllocator().allocate(problem, seed: 0)
    #expect(program.solver == "integer program (CBC)")
    #expect(program.certificate?.freeUnits == knapsack.freeUnits)
    #expect(knapsack.freeUnits == 1)
    #expect(program.certificate?.objective == knapsack.objective)
  }
}
