import Statistics
import Testing

@testable import BitAllocation

/// Laws every allocator obeys, on tables it accepts.
@Suite("All allocators")
struct AllocatorConformanceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let allocator: any Allocator
    let table: SensitivityTable
    let budgets: [Double]
  }

  static let cases: [Case] = {
    do { return try makeCases() } catch { fatalError("\(error)") }
  }()

  /// Enough to search, few enough for many budgets.
  static var briefSearch: SearchOptions {
    var options = SearchOptions()
    options.generations = 6
    options.population = 16
    options.offspring = 16
    options.groupRule = GroupRule.none
    options.survivors = [4, 1]
    options.stageTokens = [1, 2]
    options.evaluations = 64
    return options
  }

  static func makeCases() throws -> [Case] {
    let paper = try SensitivityTable.grid(layers: 3, experts: 8, levels: [2, 2.5, 3, 3.5, 4])
    let binary = try SensitivityTable.grid(layers: 4, experts: 8, levels: [2, 4])
    let dense = Array(stride(from: 2.0, through: 4.25, by: 0.125))
    var cases = [
      Case(
        testDescription: "uniform", allocator: UniformAllocator(), table: paper,
        budgets: [2, 2.5, 3, 3.5, 4])
    ]
    // PMQ demands counts of its own; EvoPress has nothing to switch among units of unequal sizes
    // unless it may switch any.
    for name in Allocators.names where name != "uniform" && name != "pmq" {
      let usual = try Allocators.named(name, search: briefSearch)
      cases += [
        Case(testDescription: "\(name), grid", allocator: usual, table: paper, budgets: dense),
        Case(
          testDescription: "\(name), uneven units", allocator: usual, table: try .uneven(),
          budgets: Array(stride(from: 2.12, through: 6, by: 0.08))),
        Case(
          testDescription: "\(name), two levels", allocator: usual, table: binary, budgets: dense),
        Case(
          testDescription: "\(name), hard losses", allocator: usual,
          table: try .hard(units: 12, seed: 5), budgets: dense),
      ]
    }
    for name in ["random", "frequency", "first-layers"] {
      cases.append(
        Case(
          testDescription: "\(name), two of five levels",
          allocator: try Allocators.named(name, law: .twoLevel(low: 2, high: 3.5)), table: paper,
          budgets: dense))
    }
    return cases
  }

  @Test("keep the budget and give each unit a level of its own", arguments: cases)
  func staysInside(test: Case) throws {
    for budget in test.budgets {
      let result = try allocate(test, budget: budget)
      #expect(result.plan.entries.map(\.unit) == test.table.units.map(\.id))
      for (unit, entry) in zip(test.table.units, result.plan.entries) {
        #expect(unit.level(bits: entry.bits) != nil, "\(unit.id) at \(entry.bits)")
      }
      // Sums of halves are exact; the quotient and decimal budgets carry one rounding each.
      let bits = test.table.bits(of: result.plan)
      #expect(bits <= budget * (1 + 4 * Double.ulpOfOne), "budget \(budget)")
      #expect(abs(result.limits[0].used - bits) < 1e-12)
      #expect(abs(result.limits[0].slack - (budget - bits)) < 1e-12)
      #expect(abs((result.bits["expert-code-bits"] ?? 0) - bits) < 1e-12)
    }
  }

  @Test("give equal plans for equal seeds", arguments: cases)
  func isDeterministic(test: Case) throws {
    for budget in test.budgets {
      #expect(try allocate(test, budget: budget) == allocate(test, budget: budget))
    }
  }

  @Test("carry a certificate that holds", arguments: cases)
  func certificates(test: Case) throws {
    for budget in test.budgets {
      let result = try allocate(test, budget: budget)
      let certificate = try #require(result.certificate)
      #expect(certificate.objective == test.table.loss(of: result.plan))
      #expect(certificate.lowerBound <= certificate.objective)
      guard !test.testDescription.contains("of five") else { continue }
      let best = try ExactAllocator().allocate(test.problem(budget: budget), seed: 0)
      let optimum = try #require(best.objective)
      #expect(best.certificate?.isOptimal == true)
      let rounding = abs(optimum) * 1e-9
      #expect(certificate.lowerBound <= optimum + rounding)
      #expect(certificate.objective >= optimum - rounding)
      if certificate.isOptimal { #expect(certificate.objective <= optimum + rounding) }
    }
  }

  @Test("do not care about the scale of the loss", arguments: cases)
  func ignoresScale(test: Case) throws {
    for exponent in [-40, 33] {
      let scaled = try test.table.scaled(
        by: Double(sign: .plus, exponent: exponent, significand: 1))
      for budget in test.budgets {
        let other = Case(
          testDescription: "", allocator: test.allocator, table: scaled, budgets: [])
        let (a, b) = (try allocate(test, budget: budget), try allocate(other, budget: budget))
        let losses = (test.table.loss(of: a.plan), test.table.loss(of: b.plan))
        // CBC may choose another of two equal optima.
        #expect(a.plan == b.plan || abs(losses.0 - losses.1) <= abs(losses.0) * 1e-9)
      }
    }
  }

  @Test("keep ties together and floors and ceilings", arguments: cases)
  func tiesAndFloors(test: Case) throws {
    guard test.testDescription.contains("grid") || test.testDescription == "uniform" else { return }
    var units = test.table.units
    for index in units.indices where index % 8 < 2 { units[index].tie = "tie \(index / 8)" }
    let table = try SensitivityTable(units: units, scores: test.table.scores)
    var problem = AllocationProblem(
      table: table, budget: Budget(experts: 3), bits: 2.5...3.5,
      unitBits: [units[5].id: 3...3])
    let plan = try test.allocator.allocate(problem, seed: 3).plan
    for entry in plan.entries { #expect((2.5...3.5).contains(entry.bits)) }
    #expect(plan.entries[5].bits == 3)
    for layer in 0..<3 { #expect(plan.entries[8 * layer].bits == plan.entries[8 * layer + 1].bits) }
    problem.unitBits = [units[5].id: 7...8]
    #expect(
      throws: AllocationError.noLevelLeft(
        unit: units[5].id, levels: [2, 2.5, 3, 3.5, 4], tie: nil)
    ) { try test.allocator.allocate(problem, seed: 3) }
  }

  @Test("keep the budget of each layer where it is asked for", arguments: cases)
  func layerScope(test: Case) throws {
    guard test.testDescription.contains("grid") else { return }
    var problem = test.problem(budget: 2.7)
    problem.scope = .layer
    let result = try test.allocator.allocate(problem, seed: 1)
    #expect(result.limits.count == 3)
    for layer in 0..<3 {
      let bits = result.plan.entries[8 * layer..<8 * layer + 8].map(\.bits)
      #expect(bits.reduce(0, +) / 8 <= 2.7)
    }
  }

  @Test("name the nearest feasible budget when there is too little", arguments: cases)
  func refusesTooLittle(test: Case) throws {
    do {
      _ = try allocate(test, budget: 1.5)
      Issue.record("1.5 bits were accepted")
    } catch AllocationError.infeasible(let bound, let budget, let nearest) {
      #expect((bound, budget) == ("experts", 1.5))
      _ = try allocate(test, budget: nearest)
      #expect(throws: AllocationError.self) { try allocate(test, budget: nearest - 2e-6) }
    } catch AllocationError.notALevel {
      #expect(test.allocator.name == "uniform")
    }
  }

  @Test(
    "exact and the integer program find the optimum of small hard tables by brute force",
    arguments: 0..<12)
  func bruteForce(seed: Int) throws {
    let table = try SensitivityTable.hard(units: 6, seed: UInt64(seed))
    for budget in [2.1, 2.6, 3.05, 3.7] {
      let problem = AllocationProblem(table: table, budget: Budget(experts: budget))
      let best = table.bruteForce(budget: budget)
      for name in ["exact", "hawq-ilp"] {
        let objective = try #require(
          try Allocators.named(name).allocate(problem, seed: 0).objective)
        #expect(abs(objective - best) <= abs(best) * 1e-9, "\(name) at \(budget)")
      }
    }
  }

  @Test("counts, two resources and ledgers as budgets are kept, and the exact plan is the best")
  func severalBudgets() throws {
    var units = try SensitivityTable.hard(units: 6, seed: 77).units
    for index in units.indices {
      for level in units[index].levels.indices {
        let bits = units[index].levels[level].bits
        units[index].levels[level].resources = ["latency-ms": 0.1 * bits + 0.01 * Double(index)]
        units[index].levels[level].metadataBits = Double(units[index].weights) / 4
      }
    }
    let table = try SensitivityTable(units: units)
    var problem = AllocationProblem(
      table: table,
      budget: Budget(bounds: [
        Budget.Bound(.experts, 3.2), Budget.Bound(.resource("latency-ms"), 1.8),
      ]), requirements: [AllocationProblem.Requirement(bits: 4, count: 2)])
    let best = try ExactAllocator().allocate(problem, seed: 0)
    #expect(best.solver == "integer program (CBC)")
    #expect(best.plan.entries.filter { $0.bits == 4 }.count >= 2)
    #expect(best.limits.allSatisfy { $0.used <= $0.bound + 1e-9 })
    let brute = table.bruteForce { levels in
      let bits = zip(units, levels).reduce(0) { $0 + $1.0.levels[$1.1].codeBits }
      let time = zip(units, levels).reduce(0) {
        $0 + ($1.0.levels[$1.1].resources["latency-ms"] ?? 0)
      }
      let fours = zip(units, levels).filter { $0.levels[$1].bits == 4 }.count
      return bits <= 3.2 * Double(table.weights) && time <= 1.8 + 1e-12 && fours >= 2
    }
    #expect(abs((best.objective ?? 0) - brute) <= abs(brute) * 1e-9)
    problem.budget = Budget(bounds: [Budget.Bound(.ledger(.withMetadata), 3)])
    problem.requirements = []
    let metadata = try ExactAllocator().allocate(problem, seed: 0)
    #expect(metadata.solver == "knapsack")
    #expect(metadata.limits[0].used <= 3)
    #expect(
      abs((metadata.objective ?? 0) - table.bruteForce(budget: 2.75)) <= 1e-9 * brute)
    problem.requirements = [AllocationProblem.Requirement(bits: 4, count: 7)]
    #expect(throws: AllocationError.self) { try ExactAllocator().allocate(problem, seed: 0) }
  }

  private func allocate(_ test: Case, budget: Double) throws -> Allocation {
    try test.allocator.allocate(test.problem(budget: budget), seed: 11)
  }
}

extension AllocatorConformanceTests.Case {
  func problem(budget: Double) -> AllocationProblem {
    AllocationProblem(table: table, budget: Budget(experts: budget))
  }
}
