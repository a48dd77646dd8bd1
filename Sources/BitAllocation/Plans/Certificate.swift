/// How far a plan can be from the best plan of the same table and budget.
public struct Certificate: Sendable, Equatable {
  /// Σ of the predicted losses of the plan.
  public var objective: Double
  /// Value of the linear relaxation: no plan loses less.
  public var lowerBound: Double
  /// Whether the plan is known to be optimal.
  public var isOptimal: Bool
  /// Dual prices of the budgets that bind in the relaxation, in the order of the budgets.
  public var prices: [Price]
  /// Units that could change level at a cost below 0.1 % of the objective, at the dual prices; only
  /// known to the allocators that find the optimum.
  public var freeUnits: Int?

  /// What a budget is worth.
  public struct Price: Sendable, Equatable {
    /// Name of the budget, such as `experts of layer 3`.
    public var budget: String
    /// Loss that one more unit of it would save in the relaxation.
    public var loss: Double
    /// `byte` for budgets of bits and bytes; else a unit of the resource.
    public var unit: String
  }

  /// (objective − lowerBound) / |objective|; 0 where both are 0.
  public var gap: Double {
    let difference = objective - lowerBound
    return difference == 0 ? 0 : difference / max(abs(objective), .leastNormalMagnitude)
  }

  /// Loss that one more byte would save; nil where no budget of bits or bytes binds, or several
  /// budgets do.
  public var pricePerByte: Double? {
    prices.count == 1 && prices[0].unit == "byte" ? prices[0].loss : nil
  }

  public init(
    objective: Double, lowerBound: Double, isOptimal: Bool, prices: [Price] = [],
    freeUnits: Int? = nil
  ) {
    self.objective = objective
    self.lowerBound = lowerBound
    self.isOptimal = isOptimal
    self.prices = prices
    self.freeUnits = freeUnits
  }
}
