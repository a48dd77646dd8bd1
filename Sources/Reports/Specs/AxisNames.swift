import Experiments

/// The axes that a table or figure may name.
struct AxisNames {
  private let axes: [ReportAxis]

  init(_ axes: [ReportAxis]) { self.axes = axes }

  /// Refuses names that are no axis.
  func check(_ names: [String], at pointer: String) throws(ReportError) {
    for name in names { try check(name, "axis", among: axes.map(\.name), at: pointer) }
  }

  /// The `where` of a table or figure: axis → label or labels.
  func filter(in object: SpecObject) throws(ReportError) -> [String: [String]] {
    guard let value = object.value("where") else { return [:] }
    let pointer = object.pointer(to: "where")
    var filter: [String: [String]] = [:]
    let members = try SpecObject.members(value, at: pointer).sorted { $0.key < $1.key }
    for (axis, labels) in members {
      let position = SpecObject.pointer(pointer, axis)
      try check([axis], at: position)
      let kept = try SpecObject.strings(labels, at: position)
      let known = axes.first { $0.name == axis }?.labels ?? []
      for label in kept { try check(label, "label of \(axis)", among: known, at: position) }
      filter[axis] = kept
    }
    return filter
  }

  private func check(
    _ name: String, _ kind: String, among known: [String], at pointer: String
  ) throws(ReportError) {
    guard known.contains(name) else {
      throw .unknownName(
        pointer: pointer, name: name, kind: kind, nearest: nearestName(to: name, among: known),
        known: known)
    }
  }
}
