import BitAllocation
import JSON

extension ParameterGroup {
  /// Refuses unknown keys, wrong types and values out of range; fills in defaults.
  func completed(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> JSONValue {
    let given = try members(of: value, at: pointer)
    var result = JSONObject()
    for field in fields {
      if let completed = try field.completed(given[field.name], in: pointer) {
        result[field.name] = completed
      }
    }
    return .object(result)
  }

  /// The members of an object all of whose keys are known.
  func members(of value: JSONValue, at pointer: JSONPointer) throws(SpecError) -> JSONObject {
    guard let object = value.objectValue else {
      throw SpecError(.wrongType(expected: "an object", found: value.kind), at: pointer)
    }
    for key in object.keys where !names.contains(key) {
      let nearest = nearestName(to: key, among: names)
      throw SpecError(
        .unknownKey(key, nearest: nearest, allowed: names), at: pointer.appending(key))
    }
    return object
  }
}

extension ParameterField {
  /// The value with its defaults, nil for an optional one that is absent.
  func completed(_ given: JSONValue?, in parent: JSONPointer) throws(SpecError) -> JSONValue? {
    let pointer = parent.appending(name)
    if let given, given.isNull, isNullable {
      if case .defaulting(.null) = presence { return .null }
      return nil
    }
    if let given { return try kind.completed(given, at: pointer) }
    switch presence {
    case .optional: return nil
    case .required: throw SpecError(.missingKey(name, remedy: "add it: \(summary)"), at: parent)
    case .defaulting(.null): return .null
    case .defaulting(let value): return try kind.completed(value, at: pointer)
    }
  }
}

extension ParameterKind {
  func completed(_ value: JSONValue, at pointer: JSONPointer) throws(SpecError) -> JSONValue {
    switch self {
    case .path: try checkPath(value, at: pointer)
    case .corpora: return try weightedCorpora(value, at: pointer)
    case .choice(let names): try check(value, isOneOf: names, at: pointer)
    case .integer(let range):
      guard let number = value.intValue else { throw wrongType("an integer", value, pointer) }
      guard range.contains(number) else { throw outOfRange(value, "\(range)", pointer) }
    case .number(let range):
      guard let number = value.doubleValue else { throw wrongType("a number", value, pointer) }
      guard range.contains(number) else {
        let ends = [range.lowerBound, range.upperBound].map(CanonicalJSON.number)
        throw outOfRange(value, ends.joined(separator: "..."), pointer)
      }
    case .flag:
      guard value.boolValue != nil else { throw wrongType("true or false", value, pointer) }
    case .levels: return try levels(value, at: pointer)
    case .namedPaths: try checkNamedPaths(value, at: pointer)
    case .namedTasks(let group): return try namedTasks(value, group, at: pointer)
    case .group(let group): return try group.completed(value, at: pointer)
    case .paths:
      guard value.arrayValue != nil else {
        return .array([try ParameterKind.path.completed(value, at: pointer)])
      }
      return try elements(value, "a list of paths", pointer) { element, pointer throws(SpecError) in
        try ParameterKind.path.completed(element, at: pointer)
      }
    case .list(let group):
      return try elements(value, "a list of objects", pointer) {
        element, pointer throws(SpecError) in
        try group.completed(element, at: pointer)
      }
    case .choices(let names):
      return try elements(value, "a list of names", pointer) { element, pointer throws(SpecError) in
        try ParameterKind.choice(names).completed(element, at: pointer)
      }
    case .integers(let range):
      return try elements(value, "a list of integers", pointer) {
        element, pointer throws(SpecError) in
        try ParameterKind.integer(range).completed(element, at: pointer)
      }
    }
    return value
  }

  private func elements(
    _ value: JSONValue, _ expected: String, _ pointer: JSONPointer,
    _ complete: (JSONValue, JSONPointer) throws(SpecError) -> JSONValue
  ) throws(SpecError) -> JSONValue {
    guard let elements = value.arrayValue else { throw wrongType(expected, value, pointer) }
    var completed: [JSONValue] = []
    for (index, element) in elements.enumerated() {
      completed.append(try complete(element, pointer.appending(index)))
    }
    return .array(completed)
  }

  /// A path alone is a list of one.
  private func weightedCorpora(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> JSONValue {
    guard let entries = value.arrayValue else {
      try checkPath(value, at: pointer)
      return [["path": value, "weight": 1]]
    }
    guard !entries.isEmpty else {
      throw SpecError(.invalid("The list of corpora is empty."), at: pointer)
    }
    let group = ParameterGroup([
      ParameterField("path", .path, .required, "Text file."),
      ParameterField(
        "weight", .number(1e-6...1e6), .defaulting(1), "Share of the sequences."),
    ])
    var completed: [JSONValue] = []
    for (index, entry) in entries.enumerated() {
      completed.append(try group.completed(entry, at: pointer.appending(index)))
    }
    return .array(completed)
  }

  private func checkPath(_ value: JSONValue, at pointer: JSONPointer) throws(SpecError) {
    guard let path = value.stringValue else {
      throw wrongType("a path relative to the spec", value, pointer)
    }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw SpecError(.invalid("The path is empty or holds a null byte."), at: pointer)
    }
  }

  private func check(
    _ value: JSONValue, isOneOf names: [String], at pointer: JSONPointer
  ) throws(SpecError) {
    guard let name = value.stringValue else {
      throw wrongType("one of \(names.joined(separator: ", "))", value, pointer)
    }
    guard names.contains(name) else {
      let nearest = nearestName(to: name, among: names)
      throw SpecError(.notAChoice(name, nearest: nearest, allowed: names), at: pointer)
    }
  }

  private func checkNamedPaths(_ value: JSONValue, at pointer: JSONPointer) throws(SpecError) {
    guard let object = value.objectValue else {
      throw wrongType("an object of names and paths", value, pointer)
    }
    for (name, path) in object.members {
      try checkName(name, at: pointer)
      try checkPath(path, at: pointer.appending(name))
    }
  }

  func checkName(_ name: String, at pointer: JSONPointer) throws(SpecError) {
    guard name != "all", name != "*", !name.isEmpty else {
      throw SpecError(
        .invalid("\"\(name)\" is taken: it stands for all of them together; use another name."),
        at: pointer.appending(name))
    }
  }

  /// A set's name, or levels by rising nominal bits; sets that have a name come back as that.
  private func levels(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> JSONValue {
    let set: LevelSet
    do throws(LevelSetError) { set = try LevelSet(json: value) } catch {
      throw SpecError(.invalid("\(error)"), at: pointer)
    }
    guard let elements = value.arrayValue else { return set.json }
    let rising = set.levels.map(\.json)
    for (index, (element, expected)) in zip(elements, rising).enumerated()
    where element.doubleValue != expected.doubleValue {
      throw SpecError(
        .invalid(
          "Levels must rise in bits: \(rising.map(CanonicalJSON.text).joined(separator: ", "))."),
        at: pointer.appending(index))
    }
    return set.json
  }

  private func wrongType(
    _ expected: String, _ value: JSONValue, _ pointer: JSONPointer
  ) -> SpecError {
    let isScalar = value.arrayValue == nil && value.objectValue == nil && !value.isNull
    let found = isScalar ? "\(value.kind), \(CanonicalJSON.text(value))" : value.kind
    return SpecError(.wrongType(expected: expected, found: found), at: pointer)
  }

  private func outOfRange(
    _ value: JSONValue, _ allowed: String, _ pointer: JSONPointer
  ) -> SpecError {
    SpecError(.outOfRange(found: CanonicalJSON.text(value), allowed: allowed), at: pointer)
  }
}
