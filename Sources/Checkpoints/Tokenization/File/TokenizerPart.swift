import JSON

/// One value of `tokenizer.json` with its place, so that every refusal can name it.
struct TokenizerPart {
  /// A pattern or a template may be long; more than this hides the rest of the sentence.
  private static let longestFound = 400

  let file: String
  let place: JSONPointer
  let value: JSONValue

  /// The `type` of a component; nil for null and for anything that is not a component.
  var type: String? { value["type"]?.stringValue }

  /// A member, null if there is none.
  func member(_ key: String) -> TokenizerPart {
    TokenizerPart(file: file, place: place.appending(key), value: value.member(key))
  }

  /// The elements of an array.
  func elements() throws(TokenizerError) -> [TokenizerPart] {
    guard let elements = value.arrayValue else { throw unsupported("an array") }
    return elements.enumerated().map { index, element in
      TokenizerPart(file: file, place: place.appending(index), value: element)
    }
  }

  /// A flag; absent or null means `otherwise`, the default of the reference.
  func flag(_ key: String, otherwise: Bool) throws(TokenizerError) -> Bool {
    let part = member(key)
    if part.value.isNull { return otherwise }
    guard let flag = part.value.boolValue else { throw part.unsupported("true or false") }
    return flag
  }

  func text(_ key: String) throws(TokenizerError) -> String {
    guard let text = member(key).value.stringValue else {
      throw member(key).unsupported("a string")
    }
    return text
  }

  func integer(_ key: String) throws(TokenizerError) -> Int {
    guard let integer = member(key).value.intValue else {
      throw member(key).unsupported("an integer")
    }
    return integer
  }

  /// Refuses any member beside `keys`: what it asks for would be passed over in silence.
  func requireOnly(_ keys: [String]) throws(TokenizerError) {
    for (key, _) in value.objectValue?.sortedMembers ?? [] where !keys.contains(key) {
      throw member(key).unsupported("only " + keys.joined(separator: ", "))
    }
  }

  /// Refuses a member that is neither absent nor null nor one of `values`.
  func require(_ key: String, isOneOf values: [JSONValue] = []) throws(TokenizerError) {
    let part = member(key)
    guard part.value.isNull || values.contains(part.value) else {
      throw part.unsupported((["null"] + values.map(PrettyJSON.line)).joined(separator: " or "))
    }
  }

  /// The refusal of this value. Of a component only the type is shown.
  func unsupported(_ supported: String) -> TokenizerError {
    let found = PrettyJSON.line(type.map { .string($0) } ?? value)
    return .unsupported(
      file: file, key: place.description,
      found: found.count <= Self.longestFound ? found : "\(found.prefix(Self.longestFound))…",
      supported: supported)
  }
}
