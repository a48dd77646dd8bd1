/// A place in a JSON document, after RFC 6901: `/axes/method/0`.
public struct JSONPointer: Sendable, Equatable {
  public var tokens: [String]

  public init(_ tokens: [String] = []) { self.tokens = tokens }

  public func appending(_ token: String) -> JSONPointer { JSONPointer(tokens + [token]) }
  public func appending(_ index: Int) -> JSONPointer { appending(String(index)) }
  public func appending(_ other: JSONPointer) -> JSONPointer {
    JSONPointer(tokens + other.tokens)
  }
}

extension JSONPointer: CustomStringConvertible {
  public var description: String {
    tokens.map { token in
      "/"
        + token.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
        .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
    }.joined()
  }
}

extension JSONValue {
  /// The value at a pointer, nil if there is none.
  public func value(at pointer: JSONPointer) -> JSONValue? {
    var current = self
    for token in pointer.tokens {
      if let member = current[token] {
        current = member
      } else if let elements = current.arrayValue, let index = Int(token),
        elements.indices.contains(index)
      {
        current = elements[index]
      } else {
        return nil
      }
    }
    return current
  }
}
