import Foundation
import JSON

/// Neighbouring neurons in rank order that have the same bits.
public struct NeuronSlice: Sendable, Hashable {
  public var bits: Int
  public var neurons: Int

  public init(bits: Int, neurons: Int) {
    self.bits = bits
    self.neurons = neurons
  }
}

/// How many neurons of each expert get which bits, in rank order (DECISIONS: Neuron units).
///
/// Which neurons these are is told by the table's order.
public struct NeuronPlan: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    /// Id of the expert.
    public var unit: String
    /// From high to low bits, none empty, summing to the expert's neurons.
    public var slices: [NeuronSlice]

    public init(unit: String, slices: [NeuronSlice]) {
      self.unit = unit
      self.slices = slices
    }
  }

  /// In the order of the table.
  public var entries: [Entry]

  public init(entries: [Entry]) { self.entries = entries }

  /// The slices of an expert, or nil.
  public func slices(of unit: String) -> [NeuronSlice]? {
    entries.first { $0.unit == unit }?.slices
  }
}

extension NeuronPlan {
  /// Every expert with the same level, half levels and mixes included.
  ///
  /// - Parameters:
  ///   - level: Its bits must be in the table.
  ///   - table: Whose experts.
  ///   - blockSize: Neurons of a block.
  /// - Throws: ``NeuronPlanError/unknownBits(unit:bits:known:)``.
  public init(
    uniform level: LevelMix, for table: NeuronTable, blockSize: Int = 32
  ) throws(NeuronPlanError) {
    entries = table.experts.map {
      Entry(unit: $0.id, slices: level.split(neurons: $0.neurons, blockSize: blockSize))
    }
    try check(against: table, blockSize: blockSize)
  }

  /// Refuses a plan that is not one for this table.
  ///
  /// - Parameters:
  ///   - table: The experts, in the order of the plan.
  ///   - blockSize: Neurons of a block: all slices of an expert but its last are whole blocks.
  /// - Throws: ``NeuronPlanError``.
  public func check(against table: NeuronTable, blockSize: Int = 32) throws(NeuronPlanError) {
    let known = Set(table.ids)
    for entry in entries where !known.contains(entry.unit) {
      throw .unknownUnit(entry.unit, nearest: nearestName(to: entry.unit, among: table.ids))
    }
    for (place, expert) in table.experts.enumerated() {
      guard place < entries.count, entries[place].unit == expert.id else {
        throw .unitWithoutPlan(expert.id)
      }
      try Self.check(entries[place], expert, bits: table.bits, blockSize: blockSize)
    }
  }

  private static func check(
    _ entry: Entry, _ expert: NeuronTable.Expert, bits: [Int], blockSize: Int
  ) throws(NeuronPlanError) {
    for (index, slice) in entry.slices.enumerated() {
      guard bits.contains(slice.bits) else {
        throw .unknownBits(unit: entry.unit, bits: slice.bits, known: bits)
      }
      guard slice.neurons > 0, slice.neurons <= expert.neurons else {
        throw .badCount(unit: entry.unit, bits: slice.bits, neurons: slice.neurons)
      }
      guard index == 0 || entry.slices[index - 1].bits > slice.bits else {
        throw .notFalling(unit: entry.unit, bits: slice.bits)
      }
      let isLast = index == entry.slices.count - 1
      guard isLast || slice.neurons.isMultiple(of: blockSize) else {
        throw .brokenBlock(unit: entry.unit, neurons: slice.neurons, blockSize: blockSize)
      }
    }
    // Slices are at most as large as the expert and bits fall, so that the sum cannot overflow.
    let sum = entry.slices.reduce(0) { $0 + $1.neurons }
    guard sum == expert.neurons else {
      throw .wrongSum(unit: entry.unit, neurons: sum, expected: expert.neurons)
    }
  }
}

extension NeuronPlan {
  /// Reads `{expert id: [{"bits": 4, "neurons": 96}, …]}`, or an object with such a value under
  /// `plan`, and checks it against a table.
  ///
  /// - Parameters:
  ///   - json: UTF-8 text.
  ///   - table: Whose experts.
  ///   - blockSize: Neurons of a block.
  /// - Throws: ``TableError`` for JSON of another form, ``NeuronPlanError`` for what does not fit
  ///   the table.
  public init(json: Data, for table: NeuronTable, blockSize: Int = 32) throws {
    let object = try LocatedObject.parse(json)
    let nested = object.keys.contains("plan") ? try object.optionalObject("plan") : object
    guard let nested else { throw TableError.missingKey("plan", path: "") }
    let known = Set(table.ids)
    for unit in nested.keys where !known.contains(unit) {
      throw NeuronPlanError.unknownUnit(unit, nearest: nearestName(to: unit, among: table.ids))
    }
    entries = try table.experts.map { expert in
      guard nested.keys.contains(expert.id) else {
        throw NeuronPlanError.unitWithoutPlan(expert.id)
      }
      let slices = try nested.objects(expert.id).map { slice in
        try slice.refuseUnknownKeys(["bits", "neurons"])
        return NeuronSlice(bits: try slice.integer("bits"), neurons: try slice.integer("neurons"))
      }
      return Entry(unit: expert.id, slices: slices)
    }
    try check(against: table, blockSize: blockSize)
  }

  /// What ``init(json:for:blockSize:)`` reads, experts in their order.
  public func json() -> Data {
    let members = entries.map { entry in
      (
        entry.unit,
        JSONValue.array(
          entry.slices.map { ["bits": JSONValue($0.bits), "neurons": JSONValue($0.neurons)] })
      )
    }
    return Data(PrettyJSON.text(.object(JSONObject(members)), sortingKeys: false).utf8)
  }
}

extension NeuronTable {
  var ids: [String] { experts.map(\.id) }
}

/// Why a plan over neurons cannot be used.
public enum NeuronPlanError: Error, Equatable, CustomStringConvertible {
  case unknownUnit(String, nearest: String?)
  case unitWithoutPlan(String)
  case unknownBits(unit: String, bits: Int, known: [Int])
  case badCount(unit: String, bits: Int, neurons: Int)
  case notFalling(unit: String, bits: Int)
  case brokenBlock(unit: String, neurons: Int, blockSize: Int)
  case wrongSum(unit: String, neurons: Int, expected: Int)

  public var description: String {
    switch self {
    case .unknownUnit(let id, let nearest):
      "Expert \(id) is not in the neuron table." + (nearest.map { " Did you mean \($0)?" } ?? "")
    case .unitWithoutPlan(let id):
      "Expert \(id) has no slices in the plan; add it, experts in the order of the table."
    case .unknownBits(let id, let bits, let known):
      "Expert \(id) has a slice of \(bits) bits; the table has "
        + "\(known.map(String.init).joined(separator: ", "))."
    case .badCount(let id, let bits, let neurons):
      "Expert \(id) has a slice of \(neurons) neurons at \(bits) bits; it must be at least 1 and at "
        + "most all of its neurons."
    case .notFalling(let id, let bits):
      "Expert \(id) lists \(bits) bits after as many or fewer; slices go from high to low bits, "
        + "each once."
    case .brokenBlock(let id, let neurons, let blockSize):
      "Expert \(id) has a slice of \(neurons) neurons; all but the last must be multiples of "
        + "\(blockSize)."
    case .wrongSum(let id, let neurons, let expected):
      "The slices of expert \(id) sum to \(neurons) neurons; it has \(expected)."
    }
  }
}
