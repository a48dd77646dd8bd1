import Experiments
import JSON

/// What a column shows, or a figure's axis measures.
public enum QuantitySource: Sendable, Equatable {
  /// A bit ledger by name, such as `expert-code-bits` or `true-bytes`.
  case ledger(String)
  /// A metric; scope `*` stands for one column per scope.
  case metric(name: String, scope: String)
  /// The standard error of a metric over its items, in one run.
  case itemError(name: String, scope: String)
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
/// each with an optional `title` and `digits` (decimals). A metric with `"itemError": true` is
/// followed by a column with its standard error over items.
public struct ColumnSpec: Sendable, Equatable {
  public var source: QuantitySource
  public var title: String?
  public var digits: Int?
  /// Whether a column with the metric's standard error over items follows.
  public var showsItemError: Bool
  /// Where it stands in the spec, for errors.
  var pointer: JSONPointer
}

extension ColumnSpec {
  /// Kind of column → the keys that only it may have.
  private static let kinds = [
    "ledger": [], "metric": ["scope", "itemError"], "cost": ["stages"], "count": [],
  ]

  init(_ value: JSONValue, at pointer: JSONPointer) throws(SpecError) {
    let kind = try Self.kind(of: try SpecObject.members(value, at: pointer), at: pointer)
    let object = try SpecObject(
      value, at: pointer, allowed: [kind] + (Self.kinds[kind] ?? []) + ["title", "digits"])
    source = try QuantitySource(kind, object)
    title = try object.optionalString("title")
    digits = try object.optionalInteger("digits", in: 0...9)
    showsItemError = try object.optionalBool("itemError") ?? false
    self.pointer = pointer
  }

  private static func kind(
    of members: JSONObject, at pointer: JSONPointer
  ) throws(SpecError) -> String {
    let known = kinds.keys.sorted()
    let present = known.filter { members[$0] != nil }
    if present.isEmpty, let key = members.keys.first {
      throw SpecError(
        .unknownKey(key, nearest: nearestName(to: key, among: known), allowed: known),
        at: pointer.appending(key))
    }
    guard let kind = present.first, present.count == 1 else {
      throw SpecError(
        .invalid("Needs exactly one of \(known.joined(separator: ", ")); split it into columns."),
        at: pointer)
    }
    return kind
  }
}

extension QuantitySource {
  fileprivate init(_ kind: String, _ object: SpecObject) throws(SpecError) {
    let name = try object.string(kind, "name what to show.")
    switch kind {
    case "ledger": self = .ledger(name)
    case "metric": self = .metric(name: name, scope: try object.optionalString("scope") ?? "all")
    case "cost":
      try SpecObject.check(
        name, among: Cost.allCases.map(\.rawValue), at: object.pointer.appending("cost"))
      self = .cost(
        Cost(rawValue: name) ?? .seconds, stages: try object.optionalStrings("stages"))
    default: self = .count(name)
    }
  }
}
