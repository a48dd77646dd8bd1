/// A plan, what it promises and what it costs.
public struct Allocation: Sendable, Equatable {
  /// A bound of the budget and what the plan makes of it.
  public struct LimitUse: Sendable, Equatable {
    /// Such as `experts`, or `experts of layer 3`.
    public var name: String
    /// In the bound's unit: bits per weight, bytes, or the resource's own.
    public var bound: Double
    public var used: Double

    public var slack: Double { bound - used }

    public init(name: String, bound: Double, used: Double) {
      self.name = name
      self.bound = bound
      self.used = used
    }
  }

  public let plan: Plan
  /// nil if the table lacks the losses.
  public let certificate: Certificate?
  /// Which losses of the table were minimized and summed; nil: its base loss.
  public let sensitivity: String?
  /// Ledger name → bits per weight, for the ledgers that can be told from the problem.
  public let bits: [String: Double]
  public let limits: [LimitUse]
  public let allocator: String
  /// How the plan was found, where an allocator has several ways: `knapsack`, `integer program`.
  public let solver: String?
  /// Whether the budget admits this plan only.
  public let forced: Bool
  /// What a search went through, generation by generation.
  public let search: SearchRecord?

  /// Σ of the predicted losses; nil if the table lacks one of them.
  public var objective: Double? { certificate?.objective }

  /// Plans of unequal histories are equal if they say the same.
  public static func == (a: Allocation, b: Allocation) -> Bool {
    a.plan == b.plan && a.certificate == b.certificate && a.sensitivity == b.sensitivity
      && a.bits == b.bits && a.limits == b.limits && a.allocator == b.allocator
      && a.solver == b.solver && a.forced == b.forced
  }

  /// From `choice`, which is within all limits and counted from the first choice of each item;
  /// without a `certificate` one is made from the relaxation.
  init(
    _ compiled: CompiledProblem, _ choice: [UInt8], allocator: String, solver: String? = nil,
    certificate: Certificate? = nil, search: SearchRecord? = nil
  ) throws(AllocationError) {
    let table = compiled.problem.table
    let levels = compiled.levels(of: choice)
    let chosen = zip(table.units, levels).map { ($0, $0.levels[$1]) }
    plan = Plan(entries: chosen.map { Plan.Entry(unit: $0.id, bits: $1.bits) })
    if let certificate {
      self.certificate = certificate
    } else if compiled.missingLoss == nil {
      self.certificate = try Certificate(of: choice, in: compiled)
    } else {
      self.certificate = nil
    }
    sensitivity = compiled.problem.sensitivity
    bits = try Self.ledgers(chosen, compiled.problem)
    limits = compiled.uses(of: choice)
    self.allocator = allocator
    self.solver = solver
    self.forced = compiled.isForced
    self.search = search
  }

  /// Ledgers over attention are left out where no attention modules are given, `with-metadata`
  /// also where the metadata of a chosen level is not known.
  private static func ledgers(
    _ chosen: [(unit: Unit, level: Level)], _ problem: AllocationProblem
  ) throws(AllocationError) -> [String: Double] {
    let modules = chosen.map { QuantizedModule($0.unit, $0.level) } + problem.attention
    var values = Ledger.values(of: modules)
    if !modules.contains(where: { $0.part == .attention }) {
      for ledger in Ledger.allCases where ledger.counts(.attention) {
        values[ledger.rawValue] = nil
      }
    }
    if chosen.contains(where: { $0.level.metadataBits == nil }) {
      values[Ledger.withMetadata.rawValue] = nil
    }
    return values
  }
}

extension CompiledProblem {
  /// What a choice makes of every limit, in the unit of the bound.
  func uses(of choice: [UInt8]) -> [Allocation.LimitUse] {
    zip(choices.limits, bounds).map { limit, bound in
      let used =
        Double(choices.spent(on: limit, by: choice)) * choices.resources[limit.resource].quantum
        + bound.fixed
      return Allocation.LimitUse(
        name: limit.name, bound: bound.bound.value,
        used: bound.weights.map { used / Double($0) } ?? used)
    }
  }
}
