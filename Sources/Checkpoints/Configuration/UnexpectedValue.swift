import JSON

/// A value of a foreign file that is not what its place asks for.
struct UnexpectedValue: Error, CustomStringConvertible {
  let pointer: JSONPointer
  let expected: String
  let found: String

  var description: String {
    "\(pointer.tokens.isEmpty ? "/" : pointer.description) must be \(expected), is \(found)"
  }
}

extension JSONValue {
  /// The value as another type, or an error that names its place.
  func expect<Value>(
    _ expected: String, at pointer: @autoclosure () -> JSONPointer,
    _ convert: (JSONValue) -> Value?
  ) throws(UnexpectedValue) -> Value {
    guard let value = convert(self) else {
      throw UnexpectedValue(pointer: pointer(), expected: expected, found: kind)
    }
    return value
  }
}
