/// Why no plan was made.
public enum AllocationError: Error, Equatable {
  case emptyTable
  case badBudget(Double)
  /// Bits per weight.
  case infeasible(budget: Double, nearest: Double)
  case attentionOverBudget(budget: Double, got: Double)
  case notALevel(budget: Double, levels: [Double])
  case missingLevel(unit: String, bits: Double, levels: [Double])
  case unorderedLevels(low: Double, high: Double)
  case missingScore(String, available: [String])
  case tiedUnits(allocator: String, tie: String)
  case unknownAllocator(String, nearest: String?, known: [String])
}

extension AllocationError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .emptyTable:
      "The sensitivity table has no units; measure the model first."
    case .badBudget(let bits):
      "Budget must be a finite number of bits above 0, got \(number(bits))."
    case .infeasible(let budget, let nearest):
      "A budget of \(number(budget)) bits admits no plan; the nearest feasible budget is "
        + "\(number(nearest))."
    case .attentionOverBudget(let budget, let got):
      "Attention takes \(number(got)) code bits per weight, its budget is \(number(budget)); "
        + "quantize it with fewer bits."
    case .notALevel(let budget, let levels):
      "A uniform plan of \(number(budget)) bits needs that level; the table has \(list(levels))."
    case .missingLevel(let unit, let bits, let levels):
      "Unit \(unit) has no level \(number(bits)); it has \(list(levels))."
    case .unorderedLevels(let low, let high):
      "The low level, \(number(low)), must be below the high one, \(number(high))."
    case .missingScore(let name, let available):
      "The table has no score \(name); it has "
        + (available.isEmpty ? "none." : "\(available.joined(separator: ", ")).")
    case .tiedUnits(let allocator, let tie):
      "Allocator \(allocator) cannot keep the units of tie \(tie) together; "
        + "use uniform or remove the tie."
    case .unknownAllocator(let name, let nearest, let known):
      "Unknown allocator \(name)." + (nearest.map { " Did you mean \($0)?" } ?? "")
        + " Known: \(known.joined(separator: ", "))."
    }
  }

  private func list(_ levels: [Double]) -> String {
    levels.map(number).joined(separator: ", ")
  }
}
