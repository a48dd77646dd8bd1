/// The optimum of the additive loss, with its certificate.
///
/// One budget for disjoint units is a multiple-choice knapsack, solved by ``ExactKnapsack``;
/// several budgets on the same units and counted levels are an integer program, which goes to CBC.
public struct ExactAllocator: Allocator {
  public let name = "exact"

  public init() {}

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    let compiled = try CompiledProblem(problem)
    try compiled.requireLosses()
    let best = try Self.best(of: compiled)
    return try Allocation(
      compiled, best.choice, allocator: name, solver: best.solver, certificate: best.certificate)
  }

  /// The best choices of a problem whose losses are known.
  static func best(
    of compiled: CompiledProblem
  ) throws(AllocationError) -> (choice: [UInt8], solver: String, certificate: Certificate) {
    guard let parts = compiled.choices.knapsacks() else {
      return try ProgramAllocator.best(of: compiled)
    }
    var choice = [UInt8](repeating: 0, count: compiled.choices.items)
    var (bound, proven) = (0.0, true)
    var prices: [Double?] = Array(repeating: nil, count: compiled.choices.limits.count)
    var solved: [(part: KnapsackPart, best: ExactKnapsack)] = []
    for part in parts {
      guard let best = ExactKnapsack(part.knapsack) else { throw try compiled.infeasibility() }
      for (position, value) in best.choice.enumerated() {
        choice[part.items?[position] ?? position] = value
      }
      bound += best.dual.bound
      proven = proven && best.proven
      if let limit = part.limit { prices[limit] = best.dual.price }
      solved.append((part, best))
    }
    let objective = compiled.choices.loss(of: choice)
    let free = solved.reduce(0) { sum, solution in
      let items = solution.best.freeItems(
        of: solution.part.knapsack, within: abs(objective) * 1e-3)
      return sum + items.reduce(0) { $0 + compiled.units[solution.part.items?[$1] ?? $1].count }
    }
    return (
      choice, "knapsack",
      Certificate(
        objective: objective, lowerBound: min(bound, objective), isOptimal: proven,
        prices: compiled.prices(prices), freeUnits: free)
    )
  }
}

/// HAWQ-V3's integer program (METHODS §2.3), as DECISIONS formulates it for CBC.
public struct ProgramAllocator: Allocator {
  public let name = "hawq-ilp"

  public init() {}

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    let compiled = try CompiledProblem(problem.preferring("hawq-trace"))
    try compiled.requireLosses()
    return try Self.solve(compiled, allocator: name)
  }

  static func solve(
    _ compiled: CompiledProblem, allocator: String
  ) throws(AllocationError) -> Allocation {
    let best = try best(of: compiled)
    return try Allocation(
      compiled, best.choice, allocator: allocator, solver: best.solver,
      certificate: best.certificate)
  }

  static func best(
    of compiled: CompiledProblem
  ) throws(AllocationError) -> (choice: [UInt8], solver: String, certificate: Certificate) {
    let solution: ProgramSolution?
    do { solution = try ChoiceProgram(compiled.choices).solve() } catch {
      throw .solver("\(error)")
    }
    guard let solution else { throw try compiled.infeasibility() }
    let objective = compiled.choices.loss(of: solution.choice)
    return (
      solution.choice, "integer program (CBC)",
      Certificate(
        objective: objective, lowerBound: min(solution.lowerBound, objective),
        isOptimal: solution.isOptimal, prices: compiled.prices(solution.price),
        freeUnits: solution.freeItems(of: compiled.choices, within: abs(objective) * 1e-3)
          .reduce(0) { $0 + compiled.units[$1].count })
    )
  }
}

extension CompiledProblem {
  func requireLosses() throws(AllocationError) {
    if let missing = missingLoss {
      throw .missingLoss(unit: missing.unit, bits: missing.bits)
    }
  }
}

extension ProgramSolution {
  /// Items that have another choice which costs less than `loss` more at the dual prices.
  func freeItems(of problem: ChoiceProblem, within loss: Double) -> [Int] {
    (0..<problem.items).filter { item in
      let now = problem.first[item] + Int(choice[item])
      return problem.choices(of: item).contains {
        $0 != now && abs(reduced[$0] - reduced[now]) < loss
      }
    }
  }
}

extension ExactKnapsack {
  /// Items that have another choice which costs less than `loss` more at the dual price.
  func freeItems(of knapsack: Knapsack, within loss: Double) -> [Int] {
    var free: [Int] = []
    for item in 0..<knapsack.items {
      let start = knapsack.first[item]
      let now = start + Int(choice[item])
      for other in start..<knapsack.first[item + 1] where other != now {
        let change =
          knapsack.loss[other] - knapsack.loss[now]
          + dual.price * Double(knapsack.cost[other] - knapsack.cost[now])
        if abs(change) < loss {
          free.append(item)
          break
        }
      }
    }
    return free
  }
}
