/// The members of a JSON object, in the order in which they were written.
///
/// Keys differ if their bytes do: a tokenizer's vocabulary holds texts that Unicode calls equal.
public struct JSONObject: Sendable {
  public private(set) var members: [(key: String, value: JSONValue)] = []
  private var places: [Key: Int] = [:]

  public init() {}

  /// Takes members in order; a key given twice keeps its first place and its last value.
  public init(_ members: some Sequence<(String, JSONValue)>) {
    for (key, value) in members { self[key] = value }
  }

  public var count: Int { members.count }
  public var isEmpty: Bool { members.isEmpty }
  public var keys: [String] { members.map(\.key) }

  /// Reads, appends, replaces in place, or with nil removes a member.
  public subscript(key: String) -> JSONValue? {
    get { places[Key(text: key)].map { members[$0].value } }
    set {
      let place = places[Key(text: key)]
      switch (newValue, place) {
      case (let newValue?, let place?): members[place].value = newValue
      case (let newValue?, nil):
        places[Key(text: key)] = members.count
        members.append((key, newValue))
      case (nil, let place?): remove(at: place)
      case (nil, nil): break
      }
    }
  }

  private mutating func remove(at place: Int) {
    places[Key(text: members.remove(at: place).key)] = nil
    for later in place..<members.count { places[Key(text: members[later].key)] = later }
  }

  /// The members in the key order of RFC 8785: by UTF-16 code units.
  public var sortedMembers: [(key: String, value: JSONValue)] {
    members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
  }

  /// A text that equals another byte by byte.
  private struct Key: Hashable {
    let text: String

    static func == (a: Key, b: Key) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    func hash(into hasher: inout Hasher) {
      for byte in text.utf8 { hasher.combine(byte) }
      hasher.combine(0xFF as UInt8)
    }
  }
}

extension JSONObject: Equatable {
  public static func == (a: JSONObject, b: JSONObject) -> Bool {
    a.count == b.count && a.members.allSatisfy { b[$0.key] == $0.value }
  }
}
