import Experiments

/// The order of points: by the labels of the axes, both in the order of the spec, then by seeds.
struct GridOrder {
  typealias Key = (axes: [AxisLabel], seeds: [String: Int], tie: String)

  private let axes: [ReportAxis]

  init(axes: [ReportAxis]) { self.axes = axes }

  /// Position on every axis; a label that the spec does not list, or none, comes last.
  func position(of labels: [AxisLabel]) -> [Int] {
    axes.map { axis in
      guard let label = labels.first(where: { $0.axis == axis.name }) else {
        return axis.labels.count
      }
      return axis.labels.firstIndex(of: label.label) ?? axis.labels.count
    }
  }

  func precedes(_ a: Key, _ b: Key) -> Bool {
    let (first, second) = (position(of: a.axes), position(of: b.axes))
    if first != second { return first.lexicographicallyPrecedes(second) }
    let (left, right) = (Self.ordered(a.seeds), Self.ordered(b.seeds))
    if left != right { return left.lexicographicallyPrecedes(right) }
    return a.tie < b.tie
  }

  private static func ordered(_ seeds: [String: Int]) -> [Int] {
    seeds.sorted { $0.key < $1.key }.map(\.value)
  }
}
