import Experiments
import JSON

/// A figure as the spec's `figures` describe it.
public struct FigureSpec: Sendable, Equatable {
  /// How points are drawn.
  public enum Kind: String, CaseIterable, Sendable {
    /// The points of a series, joined in the order of x.
    case line
    /// Points alone.
    case scatter
  }

  public var name: String
  public var kind: Kind
  public var x: ColumnSpec
  public var y: ColumnSpec
  /// The axis whose labels are the series.
  public var series: String
  /// Axis → the labels that are kept.
  public var filter: [String: [String]]
  public var caption: String?
  /// Logarithmic y; if nil, wherever the largest y is more than ten times the smallest.
  public var logY: Bool?
  /// The series of the unquantized model, drawn as a horizontal line.
  public var reference: String
}

extension FigureSpec {
  private static let keys = [
    "name", "kind", "x", "y", "series", "where", "caption", "logY", "reference",
  ]

  /// Decodes the spec's `figures`; unknown keys and axes are refused with their JSON pointer.
  public static func decode(
    _ figures: JSONValue, axes: [ReportAxis], at pointer: JSONPointer = JSONPointer(["figures"])
  ) throws(SpecError) -> [FigureSpec] {
    let known = AxisNames(axes)
    return try SpecObject.named(figures, at: pointer, by: \.name) {
      element, pointer throws(SpecError) in
      try FigureSpec(element, at: pointer, known: known)
    }
  }

  private init(_ value: JSONValue, at pointer: JSONPointer, known: AxisNames) throws(SpecError) {
    let object = try SpecObject(value, at: pointer, allowed: Self.keys)
    name = try object.fileName("name")
    kind = try Self.kind(in: object)
    x = try ColumnSpec(try object.required("x", "name a ledger."), at: pointer.appending("x"))
    y = try ColumnSpec(try object.required("y", "name a metric."), at: pointer.appending("y"))
    series = try object.string("series", "name the axis whose labels are the series.")
    filter = try known.filter(in: object)
    caption = try object.optionalString("caption")
    logY = try object.optionalBool("logY")
    reference = try object.optionalString("reference") ?? TableSpec.defaultReference
    try known.check([series], at: pointer.appending("series"))
  }

  private static func kind(in object: SpecObject) throws(SpecError) -> Kind {
    let name = try object.optionalString("kind") ?? Kind.line.rawValue
    try SpecObject.check(
      name, among: Kind.allCases.map(\.rawValue), at: object.pointer.appending("kind"))
    return Kind(rawValue: name) ?? .line
  }
}
