/// How far a plan can be from the best plan of the same table and budget.
public struct Certificate: Sendable, Equatable {
  /// Σ of the predicted losses of the plan.
  public var objective: Double
  /// Value of the linear relaxation: no plan loses less.
  public var lowerBound: Double
  /// Whether the plan is known to be optimal.
  public var isOptimal: Bool
  /// Loss that one more byte of the budget would save in the relaxation; nil where no limit binds,
  /// or several do.
  public var pricePerByte: Double?
  /// Units that could change level at a cost below 0.1 % of the objective, at the dual price; only
  /// known to the exact allocator.
  public var freeUnits: Int?

  /// (objective − lowerBound) / |objective|; 0 where both are 0.
  public var gap: Double {
    let difference = objective - lowerBound
    return difference == 0 ? 0 : difference / max(abs(objective), .leastNormalMagnitude)
  }

  public init(
    objective: Double, lowerBound: Double, isOptimal: Bool, pricePerByte: Double? = nil,
    freeUnits: Int? = nil
  ) {
    self.objective = objective
    self.lowerBound = lowerBound
    self.isOptimal = isOptimal
    self.pricePerByte = pricePerByte
    self.freeUnits = freeUnits
  }
}
