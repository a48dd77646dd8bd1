/// Why two plans cannot be compared.
public enum PlanComparisonError: Error, Equatable {
  case noUnits
  /// `plan` is "first" or "second".
  case duplicateUnit(String, plan: String)
  case badBits(unit: String, bits: Double, plan: String)
  /// One unit of each kind is named, if there is one: the first that only the first plan has, and
  /// the first that only the second has.
  case differentUnits(missing: String?, missingCount: Int, extra: String?, extraCount: Int)
  case notInTable(String, nearest: String?)
}

extension PlanComparisonError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noUnits: "The plans have no units; there is nothing to compare."
    case .duplicateUnit(let unit, let plan):
      "The \(plan) plan lists unit \(unit) twice; keep one."
    case .badBits(let unit, let bits, let plan):
      "The \(plan) plan gives unit \(unit) \(number(bits)) bits; expected a finite number above 0."
    case .differentUnits(let missing, let missingCount, let extra, let extraCount):
      "The plans are over different units."
        + (missing.map { " The second lacks \($0)\(Self.more(missingCount))." } ?? "")
        + (extra.map { " The first lacks \($0)\(Self.more(extraCount))." } ?? "")
        + " Compare plans of the same units."
    case .notInTable(let unit, let nearest):
      "Unit \(unit) of the plans is not in the table."
        + (nearest.map { " Did you mean \($0)?" } ?? "")
    }
  }

  private static func more(_ count: Int) -> String { count > 1 ? " and \(count - 1) more" : "" }
}
