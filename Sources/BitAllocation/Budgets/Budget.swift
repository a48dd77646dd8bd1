/// How many code bits may be spent (DECISIONS: Budgets).
public struct Budget: Sendable, Equatable {
  /// Bound on the mean code bits per weight over all units of the table.
  public var experts: Double
  /// Bound on the mean code bits per weight of attention, where attention modules are given.
  public var attention: Double?

  public init(experts: Double, attention: Double? = nil) {
    self.experts = experts
    self.attention = attention
  }
}

/// What every allocator is given.
public struct AllocationProblem: Sendable, Equatable {
  public var table: SensitivityTable
  public var budget: Budget
  /// Modules outside the table, already quantized; ledgers over the whole model need them.
  public var attention: [QuantizedModule]

  public init(table: SensitivityTable, budget: Budget, attention: [QuantizedModule] = []) {
    self.table = table
    self.budget = budget
    self.attention = attention
  }
}

/// Code bits in millionths, so that sums and comparisons are exact for half bits and for budgets
/// of up to six decimals.
struct MicroBits: Sendable, Comparable {
  let count: Int128

  init(count: Int128) { self.count = count }

  /// Nearest to a number of bits.
  init(_ bits: Double) { count = Int128((bits * 1e6).rounded()) }

  var bits: Double { Double(count) / 1e6 }

  /// The smallest whole number of millionths whose product with `weights` is at least this.
  func perWeightRoundedUp(_ weights: Int) -> MicroBits {
    let weights = Int128(weights)
    return MicroBits(count: (count + weights - 1) / weights)
  }

  static func < (a: MicroBits, b: MicroBits) -> Bool { a.count < b.count }
  static func + (a: MicroBits, b: MicroBits) -> MicroBits { MicroBits(count: a.count + b.count) }
  static func - (a: MicroBits, b: MicroBits) -> MicroBits { MicroBits(count: a.count - b.count) }
  static func * (a: MicroBits, b: Int) -> MicroBits { MicroBits(count: a.count * Int128(b)) }
}
