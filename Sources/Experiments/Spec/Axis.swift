import JSON

/// An independent variable of an experiment: labelled changes of the base parameters.
public struct Axis: Sendable, Equatable {
  public var name: String
  public var options: [Option]

  /// One value of an axis.
  public struct Option: Sendable, Equatable {
    public var label: String
    /// Dotted path → value, in the order of the file.
    public var changes: [Change]
    /// Where each change was written, for messages.
    var origin: JSONPointer
  }

  public struct Change: Sendable, Equatable {
    public var path: String
    public var value: JSONValue
    /// What follows the option's origin: `set/<path>`, or nothing for the short form.
    var place: JSONPointer
  }
}

extension Axis {
  private static let listKeys = ["label", "set"]
  private static let shortKeys = ["path", "values"]

  /// Reads `[{"label", "set"}, …]` or the short form `{"path", "values"}`.
  init(name: String, json: JSONValue, at pointer: JSONPointer) throws(SpecError) {
    self.name = name
    switch json {
    case .array(let elements):
      options = []
      for (index, element) in elements.enumerated() {
        options.append(try Self.option(element, at: pointer.appending(index)))
      }
    case .object: options = try Self.shortForm(json, at: pointer)
    default:
      throw SpecError(
        .wrongType(
          expected: "a list of {label, set}, or {path, values}", found: json.kind), at: pointer)
    }
    try check(at: pointer)
  }

  private static func option(
    _ json: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> Option {
    let object = try SpecKeys.members(of: json, allowed: listKeys, at: pointer)
    guard let label = object["label"]?.stringValue, !label.isEmpty else {
      throw SpecError(.missingKey("label", remedy: "give this value a name."), at: pointer)
    }
    guard let changes = object["set"]?.objectValue else {
      throw SpecError(
        .missingKey("set", remedy: "give paths and values: {\"budget.experts\": 3}."), at: pointer)
    }
    return Option(
      label: label,
      changes: changes.members.map { path, value in
        Change(path: path, value: value, place: JSONPointer(["set", path]))
      }, origin: pointer)
  }

  private static func shortForm(
    _ json: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> [Option] {
    let object = try SpecKeys.members(of: json, allowed: shortKeys, at: pointer)
    guard let path = object["path"]?.stringValue, !path.isEmpty else {
      throw SpecError(
        .missingKey("path", remedy: "name a parameter, such as budget.experts."), at: pointer)
    }
    guard let values = object["values"]?.arrayValue else {
      throw SpecError(.missingKey("values", remedy: "list the values."), at: pointer)
    }
    return values.enumerated().map { index, value in
      Option(
        label: value.stringValue ?? CanonicalJSON.text(value),
        changes: [Change(path: path, value: value, place: JSONPointer())],
        origin: pointer.appending("values").appending(index))
    }
  }

  /// Paths are followed step by step, so that their length is bounded as that of nesting is.
  private static func checkDepth(_ option: Option) throws(SpecError) {
    for change in option.changes {
      let points = change.path.utf8.count { $0 == UInt8(ascii: ".") }
      guard points < JSONParser.depthLimit else {
        throw SpecError(
          .outOfRange(
            found: "A path of \(points + 1) steps",
            allowed: "1 to \(JSONParser.depthLimit) steps, such as budget.experts"),
          at: option.origin)
      }
    }
  }

  private func check(at pointer: JSONPointer) throws(SpecError) {
    guard !options.isEmpty else {
      throw SpecError(.invalid("The axis has no values; give one or remove it."), at: pointer)
    }
    for option in options { try Self.checkDepth(option) }
    var seen: Set<String> = []
    for option in options where !seen.insert(option.label).inserted {
      throw SpecError(
        .invalid("The label \"\(option.label)\" stands twice on this axis; rename one."),
        at: option.origin)
    }
  }
}
