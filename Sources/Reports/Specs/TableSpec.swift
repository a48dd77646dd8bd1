import Experiments
import JSON

/// A table as the spec's `tables` describe it.
public struct TableSpec: Sendable, Equatable {
  public var name: String
  public var caption: String?
  /// Axes whose combinations are the rows; every other axis must have one label.
  public var rows: [String]
  /// Axis → the labels that are kept.
  public var filter: [String: [String]]
  public var columns: [ColumnSpec]
  /// The label of the unquantized model, which belongs to no budget: its other labels are left out
  /// and it is no candidate for the best value.
  public var reference: String
  /// The axis within whose labels the best means are set in bold; none if nil.
  public var bestWithin: String?
  /// Row axis → label of the row that every other one is tested against, within equal labels of the
  /// other row axes; nil for no tests.
  public var baseline: [String: String]?
  public var test: TestSpec
  /// Whether a table follows that splits the variance of every row over seeds and items.
  public var showsVariance: Bool

  /// The label that stands for the unquantized model unless the spec says otherwise.
  public static let defaultReference = "full precision"
}

extension TableSpec {
  private static let keys = [
    "name", "caption", "rows", "where", "columns", "reference", "bestWithin", "baseline",
    "test", "variance",
  ]

  /// Decodes the spec's `tables`; unknown keys and axes are refused with their JSON pointer.
  public static func decode(
    _ tables: JSONValue, axes: [ReportAxis], at pointer: JSONPointer = JSONPointer(["tables"])
  ) throws(SpecError) -> [TableSpec] {
    let known = AxisNames(axes)
    return try SpecObject.named(tables, at: pointer, by: \.name) {
      element, pointer throws(SpecError) in
      try TableSpec(element, at: pointer, known: known)
    }
  }

  private init(_ value: JSONValue, at pointer: JSONPointer, known: AxisNames) throws(SpecError) {
    let object = try SpecObject(value, at: pointer, allowed: Self.keys)
    name = try object.fileName("name")
    caption = try object.optionalString("caption")
    rows = try object.strings("rows", "name the axes whose labels are the rows.")
    filter = try known.filter(in: object)
    columns = try Self.columns(in: object)
    reference = try object.optionalString("reference") ?? Self.defaultReference
    bestWithin = try object.optionalString("bestWithin")
    try known.check(rows, at: pointer.appending("rows"))
    showsVariance = try object.optionalBool("variance") ?? false
    baseline = try known.baseline(in: object, rows: rows, reference: reference)
    test = try TestSpec(in: object)
    if let bestWithin { try known.check([bestWithin], at: pointer.appending("bestWithin")) }
  }

  private static func columns(in object: SpecObject) throws(SpecError) -> [ColumnSpec] {
    let pointer = object.pointer.appending("columns")
    var columns: [ColumnSpec] = []
    let elements = try SpecObject.elements(
      try object.required("columns", "list what to show."), at: pointer)
    for (index, element) in elements.enumerated() {
      columns.append(try ColumnSpec(element, at: pointer.appending(index)))
    }
    return columns
  }
}
