extension JSONValue {
  /// Sets what stands at a dotted path such as `budget.experts`, making objects on the way.
  ///
  /// An object is merged member by member into an object that is there already (RFC 7396); every
  /// other value replaces what was there. Unlike RFC 7396, null is a value and does not delete:
  /// `"quantizer": null` is how a spec says *full precision*.
  public mutating func set(_ path: String, to value: JSONValue) {
    set(path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)[...], value)
  }

  private mutating func set(_ path: ArraySlice<String>, _ value: JSONValue) {
    guard let key = path.first else {
      merge(value)
      return
    }
    var object = objectValue ?? JSONObject()
    var member = object[key] ?? .null
    member.set(path.dropFirst(), value)
    object[key] = member
    self = .object(object)
  }

  private mutating func merge(_ patch: JSONValue) {
    guard case .object(let members) = patch, var object = objectValue else {
      self = patch
      return
    }
    for (key, value) in members.members {
      var member = object[key] ?? .null
      member.merge(value)
      object[key] = member
    }
    self = .object(object)
  }
}
