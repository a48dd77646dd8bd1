import Foundation
import JSON

/// Which level each unit gets, in the order of the units.
public struct Plan: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public var unit: String
    /// Nominal bits of the level.
    public var bits: Double

    public init(unit: String, bits: Double) {
      self.unit = unit
      self.bits = bits
    }
  }

  public var entries: [Entry]

  public init(entries: [Entry]) { self.entries = entries }

  /// The bits of a unit, or nil.
  public func bits(of unit: String) -> Double? { entries.first { $0.unit == unit }?.bits }

  /// Reads `{unit id: bits}`, or an object with such a value under `plan`.
  ///
  /// - Parameters:
  ///   - json: UTF-8 text.
  ///   - units: Ids of all units, in their order, since JSON objects have none.
  /// - Throws: ``TableError`` for syntax, units that are missing and units that are not known.
  public init(json: Data, units: [String]) throws(TableError) {
    let object = try LocatedObject.parse(json)
    let plan = object.keys.contains("plan") ? try object.optionalObject("plan") : object
    guard let plan else { throw .missingKey("plan", path: "") }
    let known = Set(units)
    for unit in plan.keys where !known.contains(unit) {
      throw .unknownUnit(unit, nearest: nearestName(to: unit, among: units))
    }
    var entries: [Entry] = []
    for unit in units {
      guard let bits = try plan.optionalNumber(unit) else { throw .unitWithoutPlan(unit) }
      guard bits.isFinite, bits > 0 else {
        throw .badNumber(unit: unit, bits: bits, quantity: "bits", value: bits)
      }
      entries.append(Entry(unit: unit, bits: bits))
    }
    self.init(entries: entries)
  }

  /// `{unit id: bits}` with a line per unit, in unit order.
  public func json() -> Data {
    let members = entries.map { ($0.unit, JSONValue.number($0.bits)) }
    return Data(PrettyJSON.text(.object(JSONObject(members)), sortingKeys: false).utf8)
  }
}
