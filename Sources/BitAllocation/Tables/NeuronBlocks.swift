public import JSON

/// What half levels and mixes of a table mean: in plans a level is its nominal bits alone.
public struct NeuronBlocks: Sendable, Equatable {
  /// Neurons of a block.
  public let size: Int
  /// Levels that are neither whole nor half.
  public let mixes: [LevelMix]

  /// - Parameters:
  ///   - size: At least 1.
  ///   - levels: Of a table; whole and half ones are known by their bits.
  /// - Throws: ``LevelSetError``.
  public init(size: Int = 32, levels: [LevelMix] = []) throws(LevelSetError) {
    guard size > 0 else { throw .badBlockSize(size) }
    self.size = size
    mixes = levels.filter { level in (try? LevelMix(bits: level.bits)) != level }
  }

  /// The level of some nominal bits.
  ///
  /// - Parameter bits: As plans name it.
  /// - Returns: A mix of these bits if there is one, else the whole or half level.
  /// - Throws: ``LevelSetError``.
  public func level(bits: Double) throws(LevelSetError) -> LevelMix {
    if let mix = mixes.first(where: { $0.bits == bits }) { return mix }
    return try LevelMix(bits: bits)
  }

  /// Reads `{"size": 32, "mixes": [{"4": 0.25, "2": 0.75}]}`.
  ///
  /// - Parameter json: An object; both keys may be absent.
  /// - Throws: ``LevelSetError``.
  public init(json: JSONValue) throws(LevelSetError) {
    guard let object = json.objectValue else {
      throw .wrongType(place: "neuronBlocks", got: json.kind, expected: "an object")
    }
    if let unknown = object.keys.first(where: { !["size", "mixes"].contains($0) }) {
      throw .wrongType(
        place: "neuronBlocks/\(unknown)", got: "unknown", expected: "size or mixes")
    }
    var (size, levels): (Int, [LevelMix]) = (32, [])
    if let value = object["size"] {
      guard let number = value.intValue else {
        throw .wrongType(place: "neuronBlocks/size", got: value.kind, expected: "a whole number")
      }
      size = number
    }
    if let value = object["mixes"] {
      guard let list = value.arrayValue else {
        throw .wrongType(place: "neuronBlocks/mixes", got: value.kind, expected: "an array")
      }
      if !list.isEmpty { levels = try LevelSet(json: .array(list)).levels }
    }
    try self.init(size: size, levels: levels)
  }

  /// What ``init(json:)`` reads.
  public var json: JSONValue {
    var object = JSONObject([("size", JSONValue(size))])
    if !mixes.isEmpty { object["mixes"] = .array(mixes.map(\.json)) }
    return .object(object)
  }
}
