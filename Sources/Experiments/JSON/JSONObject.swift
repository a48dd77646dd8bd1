/// The members of a JSON object, in the order in which they were written.
public struct JSONObject: Sendable {
  public private(set) var keys: [String] = []
  private var values: [String: JSONValue] = [:]

  public init() {}

  /// Takes members in order; a key given twice keeps its first place and its last value.
  public init(_ members: some Sequence<(String, JSONValue)>) {
    for (key, value) in members { self[key] = value }
  }

  public var count: Int { keys.count }
  public var isEmpty: Bool { keys.isEmpty }

  /// Reads, appends, replaces in place, or with nil removes a member.
  public subscript(key: String) -> JSONValue? {
    get { values[key] }
    set {
      if let newValue {
        if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
      } else if values.removeValue(forKey: key) != nil {
        keys.removeAll { $0 == key }
      }
    }
  }

  public var members: [(key: String, value: JSONValue)] {
    keys.map { ($0, values[$0] ?? .null) }
  }

  /// The members in the key order of RFC 8785: by UTF-16 code units.
  public var sortedMembers: [(key: String, value: JSONValue)] {
    members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
  }
}

extension JSONObject: Equatable {
  public static func == (a: JSONObject, b: JSONObject) -> Bool { a.values == b.values }
}
