import Experiments
import JSON

/// An analysis of finished runs as the spec's `analyses` describe it.
public struct AnalysisSpec: Sendable, Equatable {
  public enum Kind: String, CaseIterable, Sendable {
    /// What each part of the model loses alone, of points with `structure`.
    case structure
    /// Plans of one calibration set on the text of another.
    case transfer
  }

  public var name: String
  public var kind: Kind
  public var caption: String?
  /// Axis → the labels that are kept.
  public var filter: [String: [String]]
  /// `transfer`: the axis whose labels are calibration sets.
  public var axis: String?
  /// `transfer`: labels of the axis that stand for all sets together.
  public var merged: [String]
}

extension AnalysisSpec {
  private static let keys = ["name", "kind", "caption", "where"]
  private static let transferKeys = ["axis", "merged"]

  /// Decodes the spec's `analyses`; unknown keys and axes are refused with their JSON pointer.
  public static func decode(
    _ analyses: JSONValue, axes: [ReportAxis],
    at pointer: JSONPointer = JSONPointer(["analyses"])
  ) throws(SpecError) -> [AnalysisSpec] {
    try SpecObject.named(analyses, at: pointer, by: \.name) { element, pointer throws(SpecError) in
      try AnalysisSpec(element, at: pointer, axes: axes)
    }
  }

  private init(
    _ value: JSONValue, at pointer: JSONPointer, axes: [ReportAxis]
  ) throws(SpecError) {
    let isTransfer = value["kind"]?.stringValue == Kind.transfer.rawValue
    let object = try SpecObject(
      value, at: pointer, allowed: Self.keys + (isTransfer ? Self.transferKeys : []))
    let known = AxisNames(axes)
    name = try object.fileName("name")
    let kind = try object.string("kind", "structure or transfer.")
    try SpecObject.check(
      kind, among: Kind.allCases.map(\.rawValue), at: pointer.appending("kind"))
    self.kind = Kind(rawValue: kind) ?? .structure
    caption = try object.optionalString("caption")
    filter = try known.filter(in: object)
    guard isTransfer else {
      (axis, merged) = (nil, [])
      return
    }
    let axis = try object.string("axis", "name the axis whose labels are calibration sets.")
    try known.check([axis], at: pointer.appending("axis"))
    merged = try object.optionalStrings("merged") ?? []
    let labels = axes.first { $0.name == axis }?.labels ?? []
    for label in merged {
      try SpecObject.check(label, among: labels, at: pointer.appending("merged"))
    }
    self.axis = axis
  }

  /// Whether a point is one of those that are analysed.
  func keeps(_ labels: [AxisLabel]) -> Bool {
    filter.allSatisfy { axis, kept in
      labels.first { $0.axis == axis }.map { kept.contains($0.label) } ?? false
    }
  }
}
