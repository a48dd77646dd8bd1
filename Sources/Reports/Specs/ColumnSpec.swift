import Experiments

/// What a column shows, or a figure's axis measures.
public enum QuantitySource: Sendable, Equatable {
  /// A bit ledger by name, such as `expert-code-bits` or `true-bytes`.
  case ledger(String)
  /// A metric; scope `*` stands for one column per scope.
  case metric(name: String, scope: String)
  /// A cost over the named stages, over all stages if nil.
  case cost(Cost, stages: [String]?)
  /// A counted incident, such as `gptq-fallbacks`.
  case count(String)
}

/// What a method spends.
public enum Cost: String, CaseIterable, Sendable {
  /// Sum over stages.
  case seconds
  /// Sum over stages of the tokens sent through the model.
  case forwardTokens = "forward-tokens"
  /// The largest of any stage.
  case peakMemory = "peak-memory"
}

/// One entry of a table's `columns`:
/// `{"ledger": …}`, `{"metric": …, "scope": …}`, `{"cost": …, "stages": […]}` or `{"count": …}`,
/// each with an optional `title` and `digits` (decimals).
public struct ColumnSpec: Sendable, Equatable {
  public var source: QuantitySource
  public var title: String?
  public var digits: Int?
  /// Where it stands in the spec, for errors.
  var pointer: String
}

extension ColumnSpec {
  private static let kinds = ["ledger", "metric", "cost", "count"]

  init(_ value: JSONValue, at pointer: String) throws(ReportError) {
    let object = try SpecObject(
      value, at: pointer, allowed: Self.kinds + ["scope", "stages", "title", "digits"])
    source = try QuantitySource(object, kinds: Self.kinds)
    title = try object.optionalString("title")
    digits = try object.optionalInteger("digits", in: 0...9)
    self.pointer = pointer
  }
}

extension QuantitySource {
  fileprivate init(_ object: SpecObject, kinds: [String]) throws(ReportError) {
    let present = kinds.filter { object.has($0) }
    guard present.count == 1 else {
      throw .ambiguousColumn(pointer: object.pointer, keys: present)
    }
    let name = try object.string(present[0])
    try Self.refuse("scope", unless: "metric", is: present[0], in: object)
    try Self.refuse("stages", unless: "cost", is: present[0], in: object)
    switch present[0] {
    case "ledger": self = .ledger(name)
    case "metric": self = .metric(name: name, scope: try object.optionalString("scope") ?? "all")
    case "cost":
      self = .cost(
        try Cost.named(name, at: object.pointer(to: "cost")),
        stages: try object.optionalStrings("stages"))
    default: self = .count(name)
    }
  }

  private static func refuse(
    _ key: String, unless kind: String, is present: String, in object: SpecObject
  ) throws(ReportError) {
    guard object.has(key), kind != present else { return }
    throw .unknownKey(
      pointer: object.pointer(to: key), nearest: nil, allowed: [present, "title", "digits"])
  }
}

extension Cost {
  fileprivate static func named(_ name: String, at pointer: String) throws(ReportError) -> Cost {
    let known = allCases.map(\.rawValue)
    guard let cost = Cost(rawValue: name) else {
      throw .unknownName(
        pointer: pointer, name: name, kind: "cost", nearest: nearestName(to: name, among: known),
        known: known)
    }
    return cost
  }
}
