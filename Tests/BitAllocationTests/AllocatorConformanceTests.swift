import BitAllocation
import Testing

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

  static func makeCases() throws -> [Case] {
    let paper = try SensitivityTable.grid(layers: 3, experts: 8, levels: [2, 2.5, 3, 3.5, 4])
    let binary = try SensitivityTable.grid(layers: 4, experts: 8, levels: [2, 4])
    let dense = Array(stride(from: 2.0, through: 4.25, by: 0.0625))
    var cases = [
      Case(
        testDescription: "uniform", allocator: UniformAllocator(), table: paper,
        budgets: [2, 2.5, 3, 3.5, 4])
    ]
    for name in ["random", "frequency", "weight-outlier"] {
      let usual = try Allocators.named(name)
      cases.append(
        Case(
          testDescription: "\(name), fill", allocator: usual, table: paper, budgets: dense))
      cases.append(
        Case(
          testDescription: "\(name), fill on uneven units", allocator: usual, table: try .uneven(),
          budgets: Array(stride(from: 2.12, through: 6, by: 0.04))))
      cases.append(
        Case(
          testDescription: "\(name), two levels", allocator: usual, table: binary, budgets: dense))
      let law = RankLaw.twoLevel(low: 2, high: 3.5)
      cases.append(
        Case(
          testDescription: "\(name), two of five levels",
          allocator: try Allocators.named(name, law: law), table: paper, budgets: dense))
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
      let slack = (budget - bits) * Double(test.table.weights)
      #expect(abs(result.slackBits - slack) < 1e-6)
      #expect(abs((result.bits["expert-code-bits"] ?? 0) - bits) < 1e-12)
    }
  }

  @Test("give equal plans for equal seeds", arguments: cases)
  func isDeterministic(test: Case) throws {
    for budget in test.budgets {
      #expect(try allocate(test, budget: budget) == allocate(test, budget: budget))
    }
  }

  @Test("give no fewer bits for more budget", arguments: cases)
  func isMonotone(test: Case) throws {
    let bits = try test.budgets.map { test.table.bits(of: try allocate(test, budget: $0).plan) }
    for (less, more) in zip(bits, bits.dropFirst()) { #expect(less <= more) }
  }

  @Test("sum the losses of the plan", arguments: cases)
  func sumsLosses(test: Case) throws {
    let result = try allocate(test, budget: test.budgets[0])
    let losses = zip(test.table.units, result.plan.entries).compactMap { unit, entry in
      unit.level(bits: entry.bits)?.loss
    }
    #expect(result.objective == losses.reduce(0, +))
  }

  @Test("name the nearest feasible budget when there is too little", arguments: cases)
  func refusesTooLittle(test: Case) throws {
    do {
      _ = try allocate(test, budget: 1.5)
      Issue.record("1.5 bits were accepted")
    } catch AllocationError.infeasible(let budget, let nearest) {
      #expect(budget == 1.5)
      guard test.allocator.name != "uniform" else { return }
      _ = try allocate(test, budget: nearest)
      #expect(throws: AllocationError.self) { try allocate(test, budget: nearest - 2e-6) }
    }
  }

  private func allocate(_ test: Case, budget: Double) throws -> Allocation {
    var generator = SplitMix64(seed: 11)
    return try test.allocator.allocate(
      AllocationProblem(table: test.table, budget: Budget(experts: budget)), using: &generator)
  }
}
