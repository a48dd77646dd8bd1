public import JSON

/// A level that a unit can have, as shares of its neuron blocks at whole bits (DECISIONS: Levels,
/// Half levels).
///
/// A whole level has one part, a half level b + ½ has half of the blocks at b + 1 and half at b; an
/// explicit mix names its shares, such as a quarter at 4 bits and the rest at 2.
public struct LevelMix: Sendable, Equatable {
  public struct Part: Sendable, Equatable {
    /// Bits of a code, 1…8.
    public let bits: Int
    /// Share of the blocks, 0…1 without 0.
    public let share: Double

    public init(bits: Int, share: Double) {
      self.bits = bits
      self.share = share
    }
  }

  /// From high to low bits; shares sum to 1.
  public let parts: [Part]

  /// Nominal bits per weight, Σ share · bits, to nine decimals.
  public let bits: Double

  /// A whole or half level.
  ///
  /// - Parameter bits: A multiple of ½ from 1 to 8.
  /// - Throws: ``LevelSetError``.
  public init(bits: Double) throws(LevelSetError) {
    guard (1...8).contains(bits) else { throw .bitsOutOfRange(bits) }
    let low = Int(bits)
    switch bits - Double(low) {
    case 0: try self.init(parts: [Part(bits: low, share: 1)])
    case 0.5:
      try self.init(parts: [Part(bits: low + 1, share: 0.5), Part(bits: low, share: 0.5)])
    default: throw .neitherWholeNorHalf(bits)
    }
  }

  /// An explicit mix.
  ///
  /// - Parameter parts: In any order; each width once.
  /// - Throws: ``LevelSetError``.
  public init(parts: [Part]) throws(LevelSetError) {
    for part in parts {
      guard (1...8).contains(part.bits) else { throw .bitsOutOfRange(Double(part.bits)) }
      guard part.share > 0, part.share <= 1 else { throw .badShare(part.share, bits: part.bits) }
    }
    let sorted = parts.sorted { $0.bits > $1.bits }
    for (part, next) in zip(sorted, sorted.dropFirst()) where part.bits == next.bits {
      throw .duplicateBits(Double(part.bits))
    }
    let sum = parts.reduce(0) { $0 + $1.share }
    guard abs(sum - 1) <= Self.tolerance else { throw .sharesDoNotSumToOne(sum) }
    self.parts = sorted
    let nominal = sorted.reduce(0) { $0 + $1.share * Double($1.bits) }
    bits = (nominal * 1e9).rounded() / 1e9
  }

  /// What shares written with six decimals may be off.
  private static let tolerance = 1e-6

  /// The split that is realised, in rank order of the neurons.
  ///
  /// Neurons lie in blocks of `blockSize`, of which the last may be short. The blocks at so many bits
  /// or more are their share of all blocks, rounded down; hence an odd block goes to the lower bits,
  /// and so does the short one.
  /// - Parameters:
  ///   - neurons: Neurons of the expert.
  ///   - blockSize: Neurons of a block.
  /// - Returns: Slices from high to low bits that sum to `neurons`; none is empty.
  public func split(neurons: Int, blockSize: Int = 32) -> [NeuronSlice] {
    precondition(neurons > 0 && blockSize > 0, "\(neurons) neurons in blocks of \(blockSize)")
    let blocks = Double((neurons + blockSize - 1) / blockSize)
    var slices: [NeuronSlice] = []
    var (share, start) = (0.0, 0)
    for (index, part) in parts.enumerated() {
      share += part.share
      let whole = Int((min(share + Self.tolerance, 1) * blocks).rounded(.down)) * blockSize
      let end = index == parts.count - 1 ? neurons : min(whole, neurons)
      if end > start { slices.append(NeuronSlice(bits: part.bits, neurons: end - start)) }
      start = max(start, end)
    }
    return slices
  }
}

/// The levels among which an allocator chooses, rising in nominal bits (DECISIONS: Levels).
public struct LevelSet: Sendable, Equatable {
  public let levels: [LevelMix]

  /// {2, 2.5, 3, 3.5, 4}.
  public static let paper = known([2, 2.5, 3, 3.5, 4])
  /// {1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8}.
  public static let wide = known([1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8])

  /// The sets that have a name.
  public static let named = ["paper": paper, "wide": wide]

  /// - Parameter levels: In any order.
  /// - Throws: ``LevelSetError`` if there is none, or two have the same nominal bits.
  public init(_ levels: [LevelMix]) throws(LevelSetError) {
    guard !levels.isEmpty else { throw .empty }
    let sorted = levels.sorted { $0.bits < $1.bits }
    for (level, next) in zip(sorted, sorted.dropFirst()) where level.bits == next.bits {
      throw .duplicateBits(level.bits)
    }
    self.levels = sorted
  }

  /// Whole and half levels; for lists that are known to be valid.
  private static func known(_ bits: [Double]) -> LevelSet {
    do {
      return try LevelSet(bits: bits)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// Whole and half levels.
  ///
  /// - Parameter bits: Multiples of ½ from 1 to 8.
  /// - Throws: ``LevelSetError``.
  public init(bits: [Double]) throws(LevelSetError) {
    var levels: [LevelMix] = []
    for value in bits { levels.append(try LevelMix(bits: value)) }
    try self.init(levels)
  }

  /// Whole bits that the levels are made of, rising.
  public var wholeBits: [Int] {
    Set(levels.flatMap { $0.parts.map(\.bits) }).sorted()
  }
}

extension LevelSet {
  /// Reads a set's name, or an array of levels: numbers for whole and half levels, objects such as
  /// `{"4": 0.25, "2": 0.75}` for mixes.
  ///
  /// - Parameter json: The value of `levels` in a spec.
  /// - Throws: ``LevelSetError``.
  public init(json: JSONValue) throws(LevelSetError) {
    if let name = json.stringValue {
      guard let set = Self.named[name] else {
        throw .unknownSet(name, nearest: nearestName(to: name, among: Self.named.keys.sorted()))
      }
      self = set
      return
    }
    guard let list = json.arrayValue else {
      throw .wrongType(place: "levels", got: json.kind, expected: "a set's name or an array")
    }
    var levels: [LevelMix] = []
    for (index, value) in list.enumerated() {
      levels.append(try LevelMix(json: value, place: "levels/\(index)"))
    }
    try self.init(levels)
  }

  /// What ``init(json:)`` reads; named sets by name.
  public var json: JSONValue {
    if let name = Self.named.first(where: { $0.value == self })?.key { return .string(name) }
    return .array(levels.map(\.json))
  }
}

extension LevelSet: Codable {
  public init(from decoder: any Decoder) throws {
    try self.init(json: JSONValue(from: decoder))
  }

  public func encode(to encoder: any Encoder) throws { try json.encode(to: encoder) }
}

extension LevelMix {
  fileprivate init(json: JSONValue, place: String) throws(LevelSetError) {
    if let bits = json.doubleValue {
      try self.init(bits: bits)
      return
    }
    guard let object = json.objectValue else {
      throw .wrongType(
        place: place, got: json.kind, expected: "a number of bits or an object of shares")
    }
    var parts: [Part] = []
    for (key, value) in object.members {
      guard let bits = Int(key) else { throw .notBits(key, place: place) }
      guard let share = value.doubleValue else {
        throw .wrongType(place: "\(place)/\(key)", got: value.kind, expected: "a share as a number")
      }
      parts.append(Part(bits: bits, share: share))
    }
    guard !parts.isEmpty else { throw .sharesDoNotSumToOne(0) }
    try self.init(parts: parts)
  }

  /// A number for a whole or half level, else an object of shares.
  public var json: JSONValue {
    if let plain = try? LevelMix(bits: bits), plain == self { return .number(bits) }
    return .object(JSONObject(parts.map { ("\($0.bits)", JSONValue.number($0.share)) }))
  }
}

/// Why levels cannot be used.
public enum LevelSetError: Error, Equatable {
  case unknownSet(String, nearest: String?)
  case empty
  case wrongType(place: String, got: String, expected: String)
  case bitsOutOfRange(Double)
  case neitherWholeNorHalf(Double)
  /// A key of a mix that is no whole number.
  case notBits(String, place: String)
  case badShare(Double, bits: Int)
  case sharesDoNotSumToOne(Double)
  case duplicateBits(Double)
  case badBlockSize(Int)
}

extension LevelSetError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknownSet(let name, let nearest):
      "Unknown level set \"\(name)\"." + (nearest.map { " Did you mean \"\($0)\"?" } ?? "")
        + " Known: paper, wide; or give a list such as [2, 2.5, 3]."
    case .empty:
      "A level set needs at least one level, such as [2, 3, 4]."
    case .wrongType(let place, let got, let expected):
      "\(place) is \(got), expected \(expected)."
    case .bitsOutOfRange(let bits):
      "Bits must be 1...8, got \(number(bits))."
    case .neitherWholeNorHalf(let bits):
      "\(number(bits)) bits are neither whole nor half; write the mix out, such as "
        + "{\"4\": 0.25, \"2\": 0.75} for 2.5."
    case .notBits(let key, let place):
      "Key \"\(key)\" at \(place) must be whole bits, such as \"4\"."
    case .badShare(let share, let bits):
      "The share of \(bits) bits is \(number(share)); it must be above 0 and at most 1."
    case .sharesDoNotSumToOne(let sum):
      "The shares of a mix sum to \(number(sum)); they must sum to 1."
    case .badBlockSize(let size):
      "A block has at least one neuron, got \(size)."
    case .duplicateBits(let bits):
      "Two levels or parts have \(number(bits)) bits; plans name levels by their bits, keep one."
    }
  }
}
