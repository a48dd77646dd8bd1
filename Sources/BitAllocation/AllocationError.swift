/// Why no plan was made.
public enum AllocationError: Error, Equatable {
  case emptyTable
  case noBudget
  case badBudget(Double)
  /// No plan is within the bound; values in its unit.
  case infeasible(bound: String, value: Double, nearest: Double)
  /// Every bound can be kept alone, not all of them and the requirements together.
  case infeasibleTogether([String])
  case notALevel(budget: Double, levels: [Double])
  case missingLevel(unit: String, bits: Double, levels: [Double])
  case noLevelLeft(unit: String, levels: [Double], tie: String?)
  case tooManyLevels(unit: String, count: Int)
  case unorderedLevels(low: Double, high: Double)
  case missingScore(String, available: [String])
  case missingLoss(unit: String, bits: Double)
  case missingSensitivity(String, unit: String, bits: Double, available: [String])
  case missingResource(String, unit: String, bits: Double, known: [String])
  case missingMetadata(unit: String, bits: Double, quantity: String)
  case badCost(unit: String, bits: Double, quantity: String, value: Double)
  case notAdditive(String)
  case nothingToBound(String)
  case tieAcrossScopes(tie: String, units: [String])
  case notPossible(allocator: String, what: String)
  case solver(String)
  case search(allocator: String, reason: String)
  case unknownAllocator(String, nearest: String?, known: [String])
}

extension AllocationError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .emptyTable:
      "The sensitivity table has no units; measure the model first."
    case .noBudget:
      "No budget is given; give at least one, such as 2.5 or latency-ms=3.7."
    case .badBudget(let value):
      "A budget must be a finite number above 0, got \(number(value))."
    case .infeasible(let bound, let value, let nearest):
      "A budget of \(bound) = \(number(value)) admits no plan; the nearest feasible budget is "
        + "\(number(nearest))."
    case .infeasibleTogether(let names):
      "No plan keeps all of these together: \(names.suffix(6).joined(separator: ", "))"
        + (names.count > 6 ? " and \(names.count - 6) more" : "") + ". Loosen one of them."
    case .notALevel(let budget, let levels):
      "\(number(budget)) bits are needed as a level; the table has \(list(levels))."
    case .missingLevel(let unit, let bits, let levels):
      "Unit \(unit) has no level \(number(bits)); it has \(list(levels))."
    case .noLevelLeft(let unit, let levels, let tie):
      "Unit \(unit) has levels \(list(levels)), none of which is allowed"
        + (tie.map { " and shared by all units of tie \($0)" } ?? "")
        + "; widen the floor and ceiling or measure more levels."
    case .tooManyLevels(let unit, let count):
      "Unit \(unit) has \(count) levels; an allocation handles at most 255."
    case .unorderedLevels(let low, let high):
      "The low level, \(number(low)), must be below the high one, \(number(high))."
    case .missingScore(let name, let available):
      "The table has no score \(name); it has "
        + (available.isEmpty ? "none." : "\(available.joined(separator: ", ")).")
    case .missingLoss(let unit, let bits):
      "Unit \(unit) has no loss at level \(number(bits)); this allocator needs one for every "
        + "level. Measure with a calibration, and give rarely used experts more tokens."
    case .missingSensitivity(let name, let unit, let bits, let available):
      "Unit \(unit), level \(number(bits)) has no sensitivity \(name); it has "
        + (available.isEmpty ? "none." : "\(available.joined(separator: ", ")).")
    case .missingResource(let name, let unit, let bits, let known):
      "Unit \(unit), level \(number(bits)) has no resource \(name); it has "
        + (known.isEmpty ? "none." : "\(known.joined(separator: ", ")).")
        + " Budgets also know: experts, attention, bytes and the additive ledgers."
    case .missingMetadata(let unit, let bits, let quantity):
      "Unit \(unit), level \(number(bits)) has no metadataBits, which a budget of \(quantity) "
        + "counts; measure the table or add them."
    case .badCost(let unit, let bits, let quantity, let value):
      "Unit \(unit), level \(number(bits)): \(quantity) is \(number(value)); it must be from 0 to "
        + "2^62."
    case .notAdditive(let ledger):
      "The ledger \(ledger) is not a sum over units, so it cannot be a budget; use one of "
        + Ledger.allCases.filter(\.isAdditive).map(\.rawValue).joined(separator: ", ") + "."
    case .nothingToBound(let name):
      "The budget \(name) counts no unit of the table; remove it or measure those units."
    case .tieAcrossScopes(let tie, let units):
      "Tie \(tie) joins \(units.joined(separator: " and ")), which have budgets of their own; "
        + "use scope model or remove the tie."
    case .notPossible(let allocator, let what):
      "Allocator \(allocator) \(what)."
    case .search(let allocator, let reason):
      "Allocator \(allocator): \(reason)"
    case .solver(let reason):
      "The integer program was not solved: \(reason)"
    case .unknownAllocator(let name, let nearest, let known):
      "Unknown allocator \(name)." + (nearest.map { " Did you mean \($0)?" } ?? "")
        + " Known: \(known.joined(separator: ", "))."
    }
  }

  private func list(_ levels: [Double]) -> String {
    levels.map(number).joined(separator: ", ")
  }
}
