/// Why a `config.json` cannot be used.
public enum ConfigurationError: Error, Equatable {
  case unreadable(file: String, reason: String)
  case unsupportedArchitecture(file: String, found: String)
  case missingKey(file: String, key: String)
  case invalidValue(file: String, key: String, expected: String, found: String)
}

extension ConfigurationError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "Cannot read \(file): \(reason.asClause). Give the folder of a checkpoint with a valid config.json."
    case .unsupportedArchitecture(let file, let found):
      "\(file) describes a model of type \(found); supported are "
        + ModelConfiguration.Architecture.allCases.map(\.rawValue).joined(separator: ", ") + "."
    case .missingKey(let file, let key):
      "\(file) has no key \(key); take config.json from the same place as the weights."
    case .invalidValue(let file, let key, let expected, let found):
      "\(file): \(key) is \(found), expected \(expected); correct the file."
    }
  }
}
