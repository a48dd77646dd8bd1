import JSON

/// A JSON object of a task's definition: unknown keys are refused, errors say where they are.
struct DefinitionObject {
  let path: String
  let pointer: JSONPointer
  private let members: JSONObject

  init(
    _ value: JSONValue, at pointer: JSONPointer, of path: String, allowed: [String]
  ) throws(TaskError) {
    (self.path, self.pointer) = (path, pointer)
    guard let members = value.objectValue else {
      throw .unusableDefinition(
        path: path, pointer: pointer.description, reason: "found \(value.kind), not an object")
    }
    self.members = members
    for key in members.keys where !allowed.contains(key) {
      let nearest = nearestName(to: key, among: allowed).map { "; did you mean \"\($0)\"?" } ?? ";"
      throw unusable(
        "the key \"\(key)\" is unknown\(nearest) Allowed are \(allowed.joined(separator: ", "))",
        at: key)
    }
  }

  func unusable(_ reason: String, at key: String? = nil) -> TaskError {
    let place = key.map { pointer.appending($0) } ?? pointer
    return .unusableDefinition(path: path, pointer: place.description, reason: reason)
  }

  /// nil for an absent member and for null.
  func value(_ key: String) -> JSONValue? {
    guard let value = members[key], !value.isNull else { return nil }
    return value
  }

  func required(_ key: String) throws(TaskError) -> JSONValue {
    guard let value = value(key) else { throw unusable("the key \"\(key)\" is missing") }
    return value
  }

  func object(_ key: String, allowed: [String]) throws(TaskError) -> DefinitionObject? {
    guard let value = value(key) else { return nil }
    return try DefinitionObject(value, at: pointer.appending(key), of: path, allowed: allowed)
  }

  func requiredObject(_ key: String, allowed: [String]) throws(TaskError) -> DefinitionObject {
    try DefinitionObject(
      try required(key), at: pointer.appending(key), of: path, allowed: allowed)
  }

  func string(_ key: String) throws(TaskError) -> String {
    let value = try required(key)
    guard let text = value.stringValue else {
      throw unusable("found \(value.kind), not a text", at: key)
    }
    return text
  }

  func optionalString(_ key: String) throws(TaskError) -> String? {
    value(key) == nil ? nil : try string(key)
  }

  func strings(_ key: String) throws(TaskError) -> [String] {
    let value = try required(key)
    let texts = value.arrayValue.map { $0.compactMap(\.stringValue) }
    guard let texts, texts.count == value.arrayValue?.count else {
      throw unusable("found \(value.kind), not a list of texts", at: key)
    }
    return texts
  }

  /// A whole number that is not negative.
  func integer(_ key: String) throws(TaskError) -> Int {
    let value = try required(key)
    guard let number = value.intValue, number >= 0 else {
      let found = CanonicalJSON.text(value)
      throw unusable("found \(found), not a whole number of 0 or more", at: key)
    }
    return number
  }

  /// One of a closed set of names.
  func name<Name: RawRepresentable & CaseIterable>(
    _ key: String, as type: Name.Type
  ) throws(TaskError) -> Name where Name.RawValue == String {
    try name(try string(key), as: type, at: key)
  }

  func names<Name: RawRepresentable & CaseIterable>(
    _ key: String, as type: Name.Type
  ) throws(TaskError) -> [Name] where Name.RawValue == String {
    var names: [Name] = []
    for text in try strings(key) { names.append(try name(text, as: type, at: key)) }
    return names
  }

  private func name<Name: RawRepresentable & CaseIterable>(
    _ text: String, as type: Name.Type, at key: String
  ) throws(TaskError) -> Name where Name.RawValue == String {
    guard let name = Name(rawValue: text) else {
      let known = Name.allCases.map(\.rawValue)
      let hint = nearestName(to: text, among: known).map { "; did you mean \"\($0)\"?" } ?? ";"
      throw unusable(
        "\"\(text)\" is unknown\(hint) Allowed are \(known.joined(separator: ", "))", at: key)
    }
    return name
  }
}

// MARK: - Templates

extension DefinitionObject {
  /// A template: a text, or a text and what is then done to the whole of it.
  func template(_ key: String) throws(TaskError) -> PromptTemplate? {
    guard let value = value(key) else { return nil }
    if let text = value.stringValue { return try template(text, then: [], at: key) }
    let object = try requiredObject(key, allowed: ["text", "then"])
    return try template(
      try object.string("text"), then: try object.transformations("then"), at: key)
  }

  func requiredTemplate(_ key: String) throws(TaskError) -> PromptTemplate {
    _ = try required(key)
    guard let template = try template(key) else { throw unusable("is missing", at: key) }
    return template
  }

  func template(
    _ text: String, then transformations: [TextTransformation], at key: String
  ) throws(TaskError) -> PromptTemplate {
    do {
      return try PromptTemplate(text, then: transformations)
    } catch {
      throw unusable("\(error)", at: key)
    }
  }

  func transformations(_ key: String) throws(TaskError) -> [TextTransformation] {
    value(key) == nil ? [] : try names(key, as: TextTransformation.self)
  }

  func fieldPath(_ key: String) throws(TaskError) -> FieldPath? {
    guard let text = try optionalString(key) else { return nil }
    do {
      return try FieldPath(text)
    } catch {
      throw unusable("\(error)", at: key)
    }
  }

  func requiredFieldPath(_ key: String) throws(TaskError) -> FieldPath {
    _ = try required(key)
    guard let path = try fieldPath(key) else { throw unusable("is missing", at: key) }
    return path
  }
}
