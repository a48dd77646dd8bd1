import Experiments
import JSON

/// The axes that a table or figure may name.
struct AxisNames {
  let axes: [ReportAxis]

  init(_ axes: [ReportAxis]) { self.axes = axes }

  /// Refuses names that are no axis.
  func check(_ names: [String], at pointer: JSONPointer) throws(SpecError) {
    for name in names { try SpecObject.check(name, among: axes.map(\.name), at: pointer) }
  }

  /// The `where` of a table or figure: axis → label or labels.
  func filter(in object: SpecObject) throws(SpecError) -> [String: [String]] {
    guard let value = object.value("where") else { return [:] }
    let pointer = object.pointer.appending("where")
    var filter: [String: [String]] = [:]
    for (axis, labels) in try SpecObject.members(value, at: pointer).members {
      let place = pointer.appending(axis)
      try check([axis], at: place)
      let kept = try SpecObject.strings(labels, at: place)
      let known = axes.first { $0.name == axis }?.labels ?? []
      for label in kept { try SpecObject.check(label, among: known, at: place) }
      filter[axis] = kept
    }
    return filter
  }
}
