import JSON

/// Options of a quantizer that the method named beside them does not read.
///
/// Only what one place of the spec says is refused: a base that is shared by methods may hold the
/// options of each.
extension ExperimentSpec {
  private static let readers: [(method: QuantizerParameters.Method, keys: [String])] = [
    (
      .gptq,
      [
        "damping", "actOrder", "groupScales", "blockSize", "minimumTokens", "hessianStream",
        "routingWeighted",
      ]
    ), (.squeezellm, ["codebooks"]), (.omniquant, ["omniquant"]),
  ]

  /// - Throws: ``SpecError`` at the option.
  func checkOptionsAreRead() throws(SpecError) {
    let named = axes.flatMap(\.options).contains { Self.quantizer(of: $0).method != nil }
    let shared = named ? nil : base["quantizer"]?["method"]?.stringValue
    if let shared, let quantizer = base["quantizer"]?.objectValue {
      for (key, value) in quantizer.members {
        try Self.check(key, value, beside: shared, at: JSONPointer(["base", "quantizer", key]))
      }
    }
    for option in axes.flatMap(\.options) {
      let (method, members) = Self.quantizer(of: option)
      guard let method = method ?? shared else { continue }
      for (key, value, pointer) in members {
        try Self.check(key, value, beside: method, at: pointer)
      }
    }
  }

  private static func check(
    _ key: String, _ value: JSONValue, beside method: String, at pointer: JSONPointer
  ) throws(SpecError) {
    guard !value.isNull, let reader = readers.first(where: { $0.keys.contains(key) }),
      reader.method.rawValue != method
    else { return }
    throw SpecError(
      .invalid(
        "\(key) is of the method \(reader.method.rawValue); \(method) does not read it. Leave it out."
      ),
      at: pointer)
  }

  /// What an axis value says of the quantizer by itself.
  private static func quantizer(
    of option: Axis.Option
  ) -> (method: String?, members: [(key: String, value: JSONValue, pointer: JSONPointer)]) {
    var members: [(key: String, value: JSONValue, pointer: JSONPointer)] = []
    for change in option.changes {
      let path = change.path.split(separator: ".").map(String.init)
      let pointer = option.origin.appending(change.place)
      guard path.first == "quantizer" else { continue }
      if path.count > 1 {
        members.append((path[1], change.value, pointer))
      } else {
        members += (change.value.objectValue?.members ?? []).map { key, value in
          (key, value, pointer.appending(key))
        }
      }
    }
    return (members.last { $0.key == "method" }?.value.stringValue, members)
  }
}
