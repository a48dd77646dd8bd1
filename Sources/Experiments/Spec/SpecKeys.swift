import JSON

/// Names of a spec's own keys.
enum SpecKeys {
  static let top = [
    "$schema", "schemaVersion", "name", "base", "axes", "when", "exclude", "add", "patch",
    "replicates", "expect", "tables", "figures", "analyses",
  ]

  /// Words of the grammar that are reserved: accepted while empty.
  static let reserved = ["when", "add", "patch", "expect"]

  /// The members of an object all of whose keys are allowed.
  static func members(
    of value: JSONValue, allowed: [String], at pointer: JSONPointer
  ) throws(SpecError) -> JSONObject {
    guard let object = value.objectValue else {
      throw SpecError(.wrongType(expected: "an object", found: value.kind), at: pointer)
    }
    for key in object.keys where !allowed.contains(key) {
      let nearest = nearestName(to: key, among: allowed)
      throw SpecError(
        .unknownKey(key, nearest: nearest, allowed: allowed), at: pointer.appending(key))
    }
    return object
  }
}
