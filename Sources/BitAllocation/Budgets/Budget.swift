/// What may be spent (DECISIONS: Budgets): one bound or several, all of which hold.
public struct Budget: Sendable, Equatable {
  /// A quantity that can be bounded.
  public enum Quantity: Sendable, Hashable {
    /// Mean code bits per weight over the expert units; over all units of a table that has no
    /// attention units.
    case experts
    /// Mean code bits per weight over attention.
    case attention
    /// A unit-additive ledger over all units and the modules outside the table.
    case ledger(Ledger)
    /// Code and metadata bits of the units in bytes.
    case bytes
    /// A resource of the table's levels, such as `latency-ms`: its sum.
    case resource(String)
  }

  public struct Bound: Sendable, Hashable {
    public var quantity: Quantity
    public var value: Double

    public init(_ quantity: Quantity, _ value: Double) {
      self.quantity = quantity
      self.value = value
    }
  }

  public var bounds: [Bound]

  public init(bounds: [Bound]) { self.bounds = bounds }

  /// Bounds on the mean code bits of experts, and of attention if given.
  public init(experts: Double, attention: Double? = nil) {
    bounds = [Bound(.experts, experts)]
    if let attention { bounds.append(Bound(.attention, attention)) }
  }
}

extension Budget.Quantity: CustomStringConvertible {
  /// As on the command line: `experts`, `attention`, a ledger, `bytes` or a resource.
  public var description: String {
    switch self {
    case .experts: "experts"
    case .attention: "attention"
    case .ledger(let ledger): ledger.rawValue
    case .bytes: "bytes"
    case .resource(let name): name
    }
  }

  /// The quantity of this name; any name that is no other quantity is a resource.
  public init(name: String) {
    switch name {
    case "experts": self = .experts
    case "attention": self = .attention
    case "bytes": self = .bytes
    default: self = Ledger(rawValue: name).map(Self.ledger) ?? .resource(name)
    }
  }
}
