/// PMQ of MC-MoE: in every layer the least Σ φ^α · w^β · ε^γ, with at least one expert at each of
/// the two highest levels (METHODS §2.7).
///
/// - SeeAlso: Huang et al. 2025, "MC-MoE", arXiv:2410.06270.
public struct PMQAllocator: Allocator {
  public let name = "pmq"

  public init() {}

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    var problem = problem.preferring("pmq")
    problem.scope = .layer
    let levels = Set(problem.table.units.flatMap { $0.levels.map(\.bits) })
      .filter(problem.bits.contains)
    problem.requirements += levels.sorted(by: >).prefix(2).map {
      AllocationProblem.Requirement(bits: $0, count: 1)
    }
    let compiled = try CompiledProblem(problem)
    try compiled.requireLosses()
    return try ProgramAllocator.solve(compiled, allocator: name)
  }
}

extension AllocationProblem {
  /// With the losses of this sensitivity, if none is named and the table has it everywhere.
  func preferring(_ name: String) -> AllocationProblem {
    guard sensitivity == nil,
      table.units.allSatisfy({ $0.levels.allSatisfy { $0.sensitivities[name] != nil } })
    else { return self }
    var problem = self
    problem.sensitivity = name
    return problem
  }
}
