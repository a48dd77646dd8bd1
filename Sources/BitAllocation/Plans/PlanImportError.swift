/// Why a file from elsewhere is not a plan.
public enum PlanImportError: Error, Equatable {
  /// `place` is a line such as `line 3`, or a JSON pointer.
  case unexpected(place: String, found: String, expected: String)
  case duplicateUnit(String, place: String)
  case noUnits(expected: String)
  case notUTF8
  case notJSON(String)
}

extension PlanImportError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unexpected(let place, let found, let expected):
      "At \(place): found \(found), expected \(expected)."
    case .duplicateUnit(let unit, let place):
      "At \(place): unit \(unit) is listed a second time; keep one."
    case .noUnits(let expected): "The file holds no unit; expected \(expected)."
    case .notUTF8: "The text is not UTF-8; save the file as UTF-8."
    case .notJSON(let reason): "Not JSON: \(reason)"
    }
  }
}
