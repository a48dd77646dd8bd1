import Statistics

/// Why runs cannot be compared item by item.
public enum ComparisonError: Error, Equatable {
  case noItems(run: String, reason: String)
  case differentDefinitions(metric: String, scope: String, changes: [String])
  case differentItems(metric: String, scope: String, reason: String)
  case noCommonMetric(String)
  case noSeedsInCommon(stream: String)
  case incompleteReplicates(missing: String)
  case notComputable(metric: String, scope: String, StatisticsError)
  case noSuchPoint(String, known: [String])
  case severalPoints(String, points: [String])
}

extension ComparisonError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noItems(let run, let reason):
      "The per-item values of \(run) cannot be read: \(reason). Run it again."
    case .differentDefinitions(let metric, let scope, let changes):
      "\(metric) (\(scope)) is defined differently in the two: \(changes.joined(separator: ", ")). "
        + "Numbers of different definitions are not compared; choose others with --metric."
    case .differentItems(let metric, let scope, let reason):
      "\(metric) (\(scope)) was not measured on the same items: \(reason)."
    case .noCommonMetric(let wanted):
      "The runs have no metric\(wanted.isEmpty ? "" : " \(wanted)") with items in common."
    case .noSeedsInCommon(let stream):
      "The two have no \(stream) seed in common, so that replicates cannot be paired; choose one run "
        + "of each."
    case .incompleteReplicates(let missing):
      "The replicates are not a full product of seeds: \(missing) is missing; finish the runs first."
    case .notComputable(let metric, let scope, let cause):
      "\(metric) (\(scope)) cannot be compared: \(cause)"
    case .noSuchPoint(let text, let known):
      "No finished run fits \"\(text)\"; labels are "
        + "\(known.isEmpty ? "not known here" : known.joined(separator: ", ")). "
        + "Name a run, or write experiment:label/label, seeds as calibration=0."
    case .severalPoints(let text, let points):
      "\"\(text)\" fits \(points.count) points (\(points.prefix(4).joined(separator: "; "))"
        + "\(points.count > 4 ? "; …" : "")); add labels until one is left."
    }
  }
}
