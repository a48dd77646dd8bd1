import JSON

extension ExperimentSpec {
  static func checkVersion(_ root: JSONObject) throws(SpecError) {
    guard let version = root["schemaVersion"] else {
      throw SpecError(.missingKey("schemaVersion", remedy: "add \"schemaVersion\": 1."))
    }
    guard version.intValue == schemaVersion else {
      throw SpecError(
        .outOfRange(
          found: CanonicalJSON.text(version), allowed: "\(schemaVersion), the version read here"),
        at: JSONPointer(["schemaVersion"]))
    }
  }

  static func refuseReserved(_ root: JSONObject) throws(SpecError) {
    for key in SpecKeys.reserved {
      let isEmpty = root[key].map { $0.arrayValue?.isEmpty ?? $0.isNull } ?? true
      guard isEmpty else {
        throw SpecError(
          .notSupported(
            "\"\(key)\" is not supported yet; leave it empty, and write the points as axes."),
          at: JSONPointer([key]))
      }
    }
  }

  /// Names become folders, so they are letters, digits, `-` and `_`.
  static func name(_ root: JSONObject) throws(SpecError) -> String {
    guard let value = root["name"] else {
      throw SpecError(.missingKey("name", remedy: "it names the runs and the reports."))
    }
    let pointer = JSONPointer(["name"])
    guard let name = value.stringValue else {
      throw SpecError(.wrongType(expected: "a name", found: value.kind), at: pointer)
    }
    let allowed = name.utf8.allSatisfy { byte in
      UnicodeScalar(byte).properties.isAlphabetic && byte < 0x80
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
    guard allowed, (1...64).contains(name.utf8.count), name.first != "-" else {
      throw SpecError(
        .invalid(
          "\"\(name)\" cannot name a folder; use 1 to 64 letters, digits, \"-\" or \"_\"."),
        at: pointer)
    }
    return name
  }

  static func base(_ root: JSONObject) throws(SpecError) -> JSONValue {
    guard let base = root["base"] else {
      throw SpecError(.missingKey("base", remedy: "it holds the parameters all points share."))
    }
    // Unknown keys are refused here even if every point overrides or prunes them.
    _ = try ParameterGroup.point.members(of: base, at: JSONPointer(["base"]))
    return base
  }

  static func axes(_ root: JSONObject) throws(SpecError) -> [Axis] {
    guard let value = root["axes"] else { return [] }
    let pointer = JSONPointer(["axes"])
    guard let object = value.objectValue else {
      throw SpecError(.wrongType(expected: "an object of axes", found: value.kind), at: pointer)
    }
    var axes: [Axis] = []
    for (name, json) in object.members {
      axes.append(try Axis(name: name, json: json, at: pointer.appending(name)))
    }
    return axes
  }

  static func list(_ key: String, _ root: JSONObject) throws(SpecError) -> JSONValue {
    guard let value = root[key] else { return [] }
    guard value.arrayValue != nil else {
      throw SpecError(
        .wrongType(expected: "a list", found: value.kind), at: JSONPointer([key]))
    }
    return value
  }

  static func replicates(_ root: JSONObject) throws(SpecError) -> [SeedStream: [Int]] {
    guard let value = root["replicates"] else { return [:] }
    let pointer = JSONPointer(["replicates"])
    let object = try SpecKeys.members(
      of: value, allowed: SeedStream.allCases.map(\.rawValue), at: pointer)
    var result: [SeedStream: [Int]] = [:]
    for stream in SeedStream.allCases {
      guard let seeds = object[stream.rawValue] else { continue }
      result[stream] = try self.seeds(seeds, at: pointer.appending(stream.rawValue))
    }
    return result
  }

  private static func seeds(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(SpecError) -> [Int] {
    guard let elements = value.arrayValue, !elements.isEmpty else {
      throw SpecError(
        .wrongType(expected: "a list of seeds such as [0, 1, 2]", found: value.kind), at: pointer)
    }
    let seeds = elements.compactMap(\.intValue).filter { $0 >= 0 }
    guard seeds.count == elements.count, Set(seeds).count == seeds.count else {
      throw SpecError(
        .invalid("Seeds are different integers from 0, such as [0, 1, 2]."), at: pointer)
    }
    return seeds
  }

  static func exclusions(
    _ root: JSONObject, axes: [Axis]
  ) throws(SpecError) -> [[AxisLabel]] {
    var result: [[AxisLabel]] = []
    for (index, pattern) in (try list("exclude", root).arrayValue ?? []).enumerated() {
      result.append(
        try labels(pattern, axes: axes, at: JSONPointer(["exclude"]).appending(index)))
    }
    return result
  }

  private static func labels(
    _ pattern: JSONValue, axes: [Axis], at pointer: JSONPointer
  ) throws(SpecError) -> [AxisLabel] {
    let object = try SpecKeys.members(of: pattern, allowed: axes.map(\.name), at: pointer)
    guard !object.isEmpty else {
      throw SpecError(.invalid("An empty pattern would leave out every point."), at: pointer)
    }
    var labels: [AxisLabel] = []
    for (name, value) in object.members {
      let label = value.stringValue ?? CanonicalJSON.text(value)
      let known = axes.first { $0.name == name }?.options.map(\.label) ?? []
      guard known.contains(label) else {
        let nearest = nearestName(to: label, among: known)
        throw SpecError(
          .notAChoice(label, nearest: nearest, allowed: known), at: pointer.appending(name))
      }
      labels.append(AxisLabel(axis: name, label: label))
    }
    return labels
  }
}
