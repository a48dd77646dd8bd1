/// Why a search cannot start or go on.
public enum SearchError: Error, Equatable {
  /// An option is out of range; the text says what it must be.
  case badOption(name: String, value: String, must: String)
  case noItems
  case badLoss(item: Int, level: Int, value: Double)
  /// The text names the limit or requirement that no attempt met.
  case noAdmissibleStart(attempts: Int, unmet: String)
  /// A plan given to start from; `number` counts from 0.
  case unusablePlan(number: Int, reason: String)
  /// No two items have equal costs, so that no switch keeps the group's average.
  case noGroups
  case notFinite(candidate: Int, stage: Int, value: Double)
  case wrongCount(candidates: Int, values: Int)
  case surrogateOnly(search: String)
  /// A saved state does not belong to this search and problem.
  case foreignState(reason: String)
}

extension SearchError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .badOption(let name, let value, let must):
      "Search option \(name) must be \(must), got \(value)."
    case .noItems:
      "There is nothing to search: the problem has no items."
    case .badLoss(let item, let level, let value):
      "Item \(item) has loss \(value) at its level \(level), counted from 0; losses must be "
        + "finite: measure the table again."
    case .noAdmissibleStart(let attempts, let unmet):
      "No admissible plan was found to start from in \(attempts) attempts: \(unmet). "
        + "Raise the budget, lower what is required, or give a plan to start from."
    case .unusablePlan(let number, let reason):
      "Plan \(number), counted from 0, cannot be started from: \(reason)."
    case .noGroups:
      "No two units have equal costs, so no levels can be switched inside a group; "
        + "use group rule none: --group-rule none, in a spec \"groupRule\": \"none\"."
    case .notFinite(let candidate, let stage, let value):
      "Fitness of candidate \(candidate), counted from 0, is \(value) at stage \(stage); "
        + "it must be finite. Look for a level that breaks the model, or give such a candidate a "
        + "large value."
    case .wrongCount(let candidates, let values):
      "The fitness was asked for \(candidates) candidates and returned \(values) values."
    case .surrogateOnly(let search):
      "Search \(search) needs gradients, so it works on the additive surrogate only; "
        + "use evolutionary or evopress on a measured fitness."
    case .foreignState(let reason):
      "The saved state cannot be resumed: \(reason). Start the search anew, without the state."
    }
  }
}

/// Throws unless an option is as it must be.
func require(
  _ condition: Bool, _ name: String, _ value: some CustomStringConvertible, _ must: String
) throws(SearchError) {
  guard condition else {
    throw .badOption(name: name, value: value.description, must: must)
  }
}
