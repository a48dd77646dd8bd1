import Experiments

/// The replicates of one table row, and those that are missing.
struct PointGroup {
  /// One per row axis; empty where the reference model has no say.
  var labels: [String]
  var isReference: Bool
  var rows: [ReportRow] = []
  var missing: [MissingPoint] = []

  /// Whether the budget admitted one plan only.
  var isForced: Bool { rows.contains(where: \.forced) }
}

/// Sorts runs into the rows of a table.
struct PointGrouping {
  let axes: [ReportAxis]
  /// The axes whose combinations are the groups, in this order.
  let keys: [String]
  let filter: [String: [String]]
  let reference: String

  /// Groups all kept runs and missing points.
  ///
  /// - Parameters:
  ///   - data: The runs.
  ///   - name: The table or figure, for errors.
  /// - Returns: The reference first, then the groups in the order of the labels in the spec.
  /// - Throws: ``ReportError/mixedPoints(name:axis:labels:)`` if a group would hold runs that differ
  ///   in more than their seeds.
  func groups(of data: ReportData, name: String) throws(ReportError) -> [PointGroup] {
    var groups: [[String]: PointGroup] = [:]
    for row in data.rows {
      guard let group = emptyGroup(for: row.axes) else { continue }
      groups[group.labels, default: group].rows.append(row)
    }
    for point in data.missing {
      guard let group = emptyGroup(for: point.axes) else { continue }
      groups[group.labels, default: group].missing.append(point)
    }
    let ordered = groups.values.sorted { position($0).lexicographicallyPrecedes(position($1)) }
    for group in ordered where !group.isReference { try checkUnmixed(group, name: name) }
    return ordered
  }

  /// The group that a point belongs to; nil if the filter drops it.
  private func emptyGroup(for point: [AxisLabel]) -> PointGroup? {
    let mark = point.first { $0.label == reference }
    for (axis, kept) in filter where mark == nil || mark?.axis == axis {
      guard let label = point.first(where: { $0.axis == axis })?.label, kept.contains(label) else {
        return nil
      }
    }
    var labels = keys.map { key in
      guard mark == nil || mark?.axis == key else { return "" }
      return point.first { $0.axis == key }?.label ?? ""
    }
    if mark != nil, labels.allSatisfy(\.isEmpty), !labels.isEmpty { labels[0] = reference }
    return PointGroup(labels: labels, isReference: mark != nil)
  }

  private func checkUnmixed(_ group: PointGroup, name: String) throws(ReportError) {
    let points = group.rows.map(\.axes) + group.missing.map(\.axes)
    for axis in axes where !keys.contains(axis.name) {
      let labels = Set(points.compactMap { $0.first { $0.axis == axis.name }?.label })
      if labels.count > 1 {
        throw .mixedPoints(
          name: name, axis: axis.name, labels: axis.labels.filter { labels.contains($0) })
      }
    }
  }

  private func position(_ group: PointGroup) -> [Int] {
    if group.isReference { return [-1] }
    return zip(keys, group.labels).map { key, label in
      let labels = axes.first { $0.name == key }?.labels ?? []
      return labels.firstIndex(of: label) ?? labels.count
    }
  }
}
