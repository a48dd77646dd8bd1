import Foundation
import JSON

extension SensitivityTable {
  static let format = "assay.sensitivity-table"

  /// Reads `assay.sensitivity-table` version 1 (DESIGN §7).
  ///
  /// `codeBits` of a level defaults to `bits * weights`. Unknown keys are refused.
  /// - Throws: ``TableError``, naming the JSON pointer, or unit and level.
  public init(json: Data) throws(TableError) {
    let object = try LocatedObject.parse(json)
    try object.refuseUnknownKeys(["format", "version", "units", "scores", "neuronBlocks"])
    let (format, version) = (try object.string("format"), try object.integer("version"))
    guard format == Self.format, version == 1 else {
      throw .wrongFormat(got: "\(format) version \(version)", expected: "\(Self.format) version 1")
    }
    var units: [Unit] = []
    for unit in try object.objects("units") { units.append(try Unit(unit)) }
    var scores: [String: [Double]] = [:]
    if let listed = try object.optionalObject("scores") {
      for name in listed.keys { scores[name] = try listed.numbers(name) }
    }
    try self.init(
      units: units, scores: scores, neuronBlocks: try object.optionalNeuronBlocks())
  }

  /// Writes what `init(json:)` reads; keys sorted, so equal tables give equal bytes.
  public func json() -> Data {
    var object = JSONObject([
      ("format", .string(Self.format)), ("version", 1), ("units", .array(units.map(\.jsonValue))),
    ])
    if !scores.isEmpty {
      object["scores"] = .object(
        JSONObject(scores.map { ($0.key, .array($0.value.map(JSONValue.number))) }))
    }
    object["neuronBlocks"] = neuronBlocks?.json
    return PrettyJSON.data(.object(object))
  }
}

extension LocatedObject {
  fileprivate func optionalNeuronBlocks() throws(TableError) -> NeuronBlocks? {
    guard let value = optionalValue("neuronBlocks") else { return nil }
    do throws(LevelSetError) { return try NeuronBlocks(json: value) } catch {
      throw .badNeuronBlocks("\(error)")
    }
  }
}

extension Unit {
  fileprivate init(_ object: LocatedObject) throws(TableError) {
    try object.refuseUnknownKeys([
      "id", "layer", "expert", "projection", "weights", "tie", "hasFewTokens", "groupSize",
      "levels",
    ])
    let weights = try object.integer("weights")
    self.init(
      id: try object.string("id"), layer: try object.integer("layer"),
      expert: try object.optionalInteger("expert"),
      projection: try object.optionalString("projection"), weights: weights,
      tie: try object.optionalString("tie"),
      hasFewTokens: try object.optionalBoolean("hasFewTokens") ?? false,
      groupSize: try object.optionalInteger("groupSize"), levels: [])
    for level in try object.objects("levels") {
      levels.append(try Level(level, weights: weights))
    }
  }

  fileprivate var jsonValue: JSONValue {
    var object = JSONObject([
      ("id", .string(id)), ("layer", JSONValue(layer)), ("weights", JSONValue(weights)),
      ("expert", expert.map { JSONValue($0) } ?? .null),
      ("projection", projection.map { JSONValue($0) } ?? .null),
      ("levels", .array(levels.map(\.jsonValue))),
    ])
    object["tie"] = tie.map { JSONValue($0) }
    if hasFewTokens { object["hasFewTokens"] = true }
    object["groupSize"] = groupSize.map { JSONValue($0) }
    return .object(object)
  }
}

extension Level {
  fileprivate init(_ object: LocatedObject, weights: Int) throws(TableError) {
    try object.refuseUnknownKeys([
      "bits", "loss", "codeBits", "metadataBits", "resources", "sensitivities",
    ])
    let bits = try object.number("bits")
    self.init(
      bits: bits, loss: try object.optionalNumber("loss"),
      codeBits: try object.optionalNumber("codeBits") ?? bits * Double(weights),
      metadataBits: try object.optionalNumber("metadataBits"))
    if let listed = try object.optionalObject("resources") {
      for name in listed.keys { resources[name] = try listed.number(name) }
    }
    if let listed = try object.optionalObject("sensitivities") {
      for name in listed.keys { sensitivities[name] = try listed.number(name) }
    }
  }

  fileprivate var jsonValue: JSONValue {
    var object = JSONObject([("bits", .number(bits)), ("codeBits", .number(codeBits))])
    object["loss"] = loss.map { JSONValue($0) }
    object["metadataBits"] = metadataBits.map { JSONValue($0) }
    if !resources.isEmpty {
      object["resources"] = .object(JSONObject(resources.map { ($0.key, .number($0.value)) }))
    }
    if !sensitivities.isEmpty {
      object["sensitivities"] = .object(
        JSONObject(sensitivities.map { ($0.key, .number($0.value)) }))
    }
    return .object(object)
  }
}
