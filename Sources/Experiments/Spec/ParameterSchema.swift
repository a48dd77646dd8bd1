import JSON

/// What may stand in a group of parameters: the one source of names, types, ranges and defaults.
public struct ParameterGroup: Sendable {
  public var fields: [ParameterField]

  public init(_ fields: [ParameterField]) { self.fields = fields }

  public var names: [String] { fields.map(\.name) }

  /// The type and range of a parameter.
  ///
  /// - Parameter path: Dotted, such as `quantizer.groupSize`.
  /// - Returns: nil if there is no such parameter.
  public func kind(at path: String) -> ParameterKind? {
    path.split(separator: ".").reduce(ParameterKind.group(self)) { kind, name in
      guard case .group(let group)? = kind else { return nil }
      return group.fields.first { $0.name == name }?.kind
    }
  }
}

/// One parameter.
public struct ParameterField: Sendable {
  public var name: String
  public var kind: ParameterKind
  /// Used when the key is absent.
  public var presence: Presence
  /// null is allowed and means *absent*.
  public var isNullable: Bool
  public var summary: String

  public enum Presence: Sendable {
    case required
    case optional
    case defaulting(JSONValue)
  }

  public init(
    _ name: String, _ kind: ParameterKind, _ presence: Presence, nullable: Bool = false,
    _ summary: String
  ) {
    self.name = name
    self.kind = kind
    self.presence = presence
    self.isNullable = nullable
    self.summary = summary
  }
}

/// The type and range of a parameter.
public indirect enum ParameterKind: Sendable {
  case path
  /// A path, or a list of paths with weights.
  case corpora
  case choice([String])
  case integer(ClosedRange<Int>)
  case number(ClosedRange<Double>)
  case flag
  /// A level set: its name, or whole levels, half levels and mixes.
  case levels
  /// Free names → paths.
  case namedPaths
  /// Free names → paths or objects of one kind.
  case namedTasks(ParameterGroup)
  case group(ParameterGroup)
  /// A path, or a list of paths.
  case paths
  /// Objects of one kind.
  case list(ParameterGroup)
  /// At least one of these names.
  case choices([String])
  /// At least one number.
  case integers(ClosedRange<Int>)
}
