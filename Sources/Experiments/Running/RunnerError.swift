/// Why a point could not be computed.
public enum RunnerError: Error, Equatable {
  case stageFailed(stage: String, cause: String)
  case sourceNotEarlier(stage: String, role: String, source: String)
  case stageNamedTwice(String)
  case unusableStageName(String)
  case metricGivenTwice(name: String, scope: String)
  case metricWithoutValue(name: String, scope: String)
  case ledgerNotFinite(String)
}

extension RunnerError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .stageFailed(let stage, let cause): "\(stage): \(cause)"
    case .sourceNotEarlier(let stage, let role, let source):
      "Stage \(stage) reads its \(role) from \(source), which is not an earlier stage."
    case .stageNamedTwice(let name): "Two stages of one point are named \(name); rename one."
    case .unusableStageName(let name):
      "\"\(name)\" cannot name a stage: it names a folder, so use letters, digits and \"-\"."
    case .metricGivenTwice(let name, let scope):
      "The metric \(name) on \(scope) was given twice with one definition."
    case .metricWithoutValue(let name, let scope):
      "The metric \(name) on \(scope) has neither a value nor one of nan, inf, -inf."
    case .ledgerNotFinite(let name): "The ledger \(name) is not a finite number."
    }
  }
}
