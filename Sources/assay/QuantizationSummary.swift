import Reconstruction

/// What was done to how many modules; nothing that differs from what was asked for goes unsaid.
struct QuantizationSummary {
  private let reports: [ModuleReport]

  init(_ reports: [ModuleReport]) { self.reports = reports }

  /// One line, and one more for each thing that was not finite.
  var text: String {
    let parts = [solving, importance, sparse, learning, neurons, axes].compactMap(\.self)
    return ([parts.joined(separator: "; ")] + reports.notFiniteNotices).joined(separator: "\n")
  }

  private var solving: String {
    let fallbacks = Self.counts(reports.compactMap(\.fallback?.rawValue))
    return "\(reports.count) modules; rounded to nearest instead of solved: \(fallbacks); fewer "
      + "calibration tokens than inputs: \(reports.count(where: \.hasSingularHessian)); damping raised: "
      + "\(reports.count { ($0.dampingEscalations ?? 0) > 0 })"
  }

  private var importance: String? {
    guard reports.contains(where: { $0.importance != nil }) else { return nil }
    return "with rows of no importance: \(reports.count { ($0.uninformedRows ?? 0) > 0 })"
  }

  private var sparse: String? {
    let stored = reports.reduce(0) { $0 + ($1.outliers?.stored ?? 0) }
    return stored > 0 ? "weights in sparse parts: \(stored)" : nil
  }

  private var learning: String? {
    guard reports.contains(where: { $0.training != nil }) else { return nil }
    guard reports.learned else { return "nothing was learned: there was no epoch" }
    let kept = Self.counts(reports.compactMap(\.training?.kept?.rawValue))
    return "keep the clipping of the start: \(kept); no token came to: \(reports.withoutSteps)"
  }

  private var neurons: String? {
    let units = Set(reports.filter { $0.neuronOrder == .place }.compactMap(\.unit))
    guard !units.isEmpty else { return nil }
    return "experts with neurons in their own order, as no calibration ranks them: \(units.count)"
  }

  private var axes: String? {
    let axes = reports.compactMap(\.axis)
    guard !axes.isEmpty else { return nil }
    let fresh = reports.count { $0.groupScales == .fresh }
    return "grouped by input channel: \(axes.count { $0.axis == .inputChannel })"
      + (fresh > 0 ? ", \(fresh) of them with fresh scales instead of those asked for" : "")
  }

  /// `2 rtn-few-tokens, 1 rtn-no-tokens`, or `none`.
  private static func counts(_ names: [String]) -> String {
    let counted = Dictionary(grouping: names, by: \.self).sorted { $0.key < $1.key }
    return counted.isEmpty
      ? "none" : counted.map { "\($0.value.count) \($0.key)" }.joined(separator: ", ")
  }
}
