import Foundation

extension SensitivityTable {
  static let format = "assay.sensitivity-table"

  /// Reads `assay.sensitivity-table` version 1 (DESIGN §7).
  ///
  /// `codeBits` of a level defaults to `bits * weights`. Unknown keys are refused.
  /// - Throws: ``TableError``, naming the JSON pointer, or unit and level.
  public init(json: Data) throws(TableError) {
    let object = try StrictJSON.object(json)
    try object.refuseUnknownKeys(["format", "version", "units", "scores"])
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
    try self.init(units: units, scores: scores)
  }

  /// Writes what `init(json:)` reads; keys sorted, so equal tables give equal bytes.
  public func json() throws -> Data {
    var object: [String: Any] = [
      "format": Self.format, "version": 1, "units": units.map(\.jsonObject),
    ]
    if !scores.isEmpty { object["scores"] = scores }
    return try JSONSerialization.data(
      withJSONObject: object, options: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
  }
}

extension Unit {
  fileprivate init(_ object: StrictJSON) throws(TableError) {
    try object.refuseUnknownKeys([
      "id", "layer", "expert", "projection", "weights", "tie", "levels",
    ])
    let weights = try object.integer("weights")
    self.init(
      id: try object.string("id"), layer: try object.integer("layer"),
      expert: try object.optionalInteger("expert"),
      projection: try object.optionalString("projection"), weights: weights,
      tie: try object.optionalString("tie"), levels: [])
    for level in try object.objects("levels") {
      levels.append(try Level(level, weights: weights))
    }
  }

  fileprivate var jsonObject: [String: Any] {
    var object: [String: Any] = [
      "id": id, "layer": layer, "weights": weights, "levels": levels.map(\.jsonObject),
      "expert": expert.map { $0 as Any } ?? NSNull(),
      "projection": projection.map { $0 as Any } ?? NSNull(),
    ]
    object["tie"] = tie
    return object
  }
}

extension Level {
  fileprivate init(_ object: StrictJSON, weights: Int) throws(TableError) {
    try object.refuseUnknownKeys(["bits", "loss", "codeBits", "metadataBits", "resources"])
    let bits = try object.number("bits")
    self.init(
      bits: bits, loss: try object.optionalNumber("loss"),
      codeBits: try object.optionalNumber("codeBits") ?? bits * Double(weights),
      metadataBits: try object.optionalNumber("metadataBits"))
    if let listed = try object.optionalObject("resources") {
      for name in listed.keys { resources[name] = try listed.number(name) }
    }
  }

  fileprivate var jsonObject: [String: Any] {
    var object: [String: Any] = ["bits": bits, "codeBits": codeBits]
    object["loss"] = loss
    object["metadataBits"] = metadataBits
    if !resources.isEmpty { object["resources"] = resources }
    return object
  }
}
