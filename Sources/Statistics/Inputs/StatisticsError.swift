/// Why a statistic cannot be computed from what was given.
public enum StatisticsError: Error, Equatable {
  case tooFew(String, count: Int, needed: Int)
  case notFinite(String, index: Int)
  case lengthsDiffer(String, Int, String, Int)
  case outside(String, value: String, allowed: String)
  case collinear(String)
  case fullLeverage(row: Int)
  case unknownFactor(String, known: [String])
  case undefinedResample(String)
}

extension StatisticsError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .tooFew(let what, let count, let needed):
      "At least \(needed) \(what) are needed, got \(count)."
    case .notFinite(let what, let index):
      "Number \(index) of \(what), counted from 0, is NaN or infinite; remove it on both sides."
    case .lengthsDiffer(let first, let firstCount, let second, let secondCount):
      "\(firstCount) \(first) stand against \(secondCount) \(second); both need one per item."
    case .outside(let name, let value, let allowed):
      "\(name) is \(value); it must be \(allowed)."
    case .collinear(let predictor):
      "Predictor \(predictor) is constant or a sum of multiples of those before it; drop it."
    case .fullLeverage(let row):
      "Row \(row) alone determines a coefficient, so that HC3 errors do not exist; drop its predictor."
    case .unknownFactor(let name, let known):
      "There is no factor \(name); the factors are \(known.joined(separator: ", "))."
    case .undefinedResample(let statistic):
      "A resample has no finite \(statistic); too few clusters carry its denominator."
    }
  }
}
