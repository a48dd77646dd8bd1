import Experiments

/// A measurable thing of a run, with everything needed to print it.
struct Quantity {
  enum Direction: String {
    case lowerIsBetter = "↓"
    case higherIsBetter = "↑"
  }

  enum Digits: Equatable {
    /// So many decimals; with `exactly`, beside a standard deviation too.
    case decimals(Int, exactly: Bool = false)
    case significant(Int)
  }

  var source: QuantitySource
  var name: String
  var unit: String?
  var direction: Direction?
  /// Factor from the stored to the printed unit.
  var scale = 1.0
  var digits: Digits
  /// Costs are printed as means: their spread is mostly that of the machine.
  var showsSpread = true
  /// Sizes are counted, not measured: a spread below the last digit shown is that of a file's header.
  var hidesSpreadBelowDigits = false

  /// `perplexity ↓ (nats)`.
  var title: String {
    [name, direction?.rawValue, unit.map { "(\($0))" }].compactMap(\.self).joined(separator: " ")
  }
}

/// One reading of a quantity.
enum Reading: Equatable {
  /// In the printed unit.
  case finite(Double)
  /// `nan`, `inf` or `-inf`.
  case special(String)

  var value: Double {
    switch self {
    case .finite(let value): value
    case .special("inf"): .infinity
    case .special("-inf"): -.infinity
    case .special: .nan
    }
  }
}
