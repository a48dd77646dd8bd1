/// What every allocator is given: a table, a budget, and what else a plan must satisfy.
public struct AllocationProblem: Sendable {
  /// Over which units a bound or a requirement holds.
  public enum Scope: String, Sendable, CaseIterable {
    /// One budget for all units.
    case model
    /// The same budget in each layer.
    case layer
  }

  /// At least `count` units at the level of `bits`, in each scope.
  public struct Requirement: Sendable, Hashable {
    public var bits: Double
    public var count: Int

    public init(bits: Double, count: Int) {
      self.bits = bits
      self.count = count
    }
  }

  public var table: SensitivityTable
  public var budget: Budget
  public var scope: Scope
  public var requirements: [Requirement]
  /// Levels outside are not used by any unit.
  public var bits: ClosedRange<Double>
  /// Unit id → its own range, inside of `bits`.
  public var unitBits: [String: ClosedRange<Double>]
  /// Which losses of the table to minimize; nil: its base loss.
  public var sensitivity: String?
  /// Modules outside the table, already quantized; ledgers over the whole model need them.
  public var attention: [QuantizedModule]

  public init(
    table: SensitivityTable, budget: Budget, scope: Scope = .model,
    requirements: [Requirement] = [], bits: ClosedRange<Double> = 0...(.infinity),
    unitBits: [String: ClosedRange<Double>] = [:], sensitivity: String? = nil,
    attention: [QuantizedModule] = []
  ) {
    self.table = table
    self.budget = budget
    self.scope = scope
    self.requirements = requirements
    self.bits = bits
    self.unitBits = unitBits
    self.sensitivity = sensitivity
    self.attention = attention
  }
}
