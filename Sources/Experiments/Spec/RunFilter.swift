import JSON

/// `--only axis=label`: keeps the runs that carry every label given.
///
/// Two labels of one axis keep both; different axes must all match. Seed streams count as axes.
public struct RunFilter: Sendable, Equatable {
  private var labels: [String: Set<String>]

  public static let all = RunFilter(labels: [:])

  private init(labels: [String: Set<String>]) { self.labels = labels }

  /// Reads conditions such as `axis=label`; refuses axes and labels that the spec has not.
  public init(_ conditions: [String], for spec: ExperimentSpec) throws(SpecError) {
    labels = [:]
    for condition in conditions {
      let parts = condition.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw SpecError(.invalid("--only takes axis=label, got \"\(condition)\"."))
      }
      let known = try Self.labels(of: parts[0], in: spec)
      guard known.contains(parts[1]) else {
        let nearest = nearestName(to: parts[1], among: known)
        throw SpecError(.notAChoice(parts[1], nearest: nearest, allowed: known))
      }
      labels[parts[0], default: []].insert(parts[1])
    }
  }

  private static func labels(
    of axis: String, in spec: ExperimentSpec
  ) throws(SpecError) -> [String] {
    if let match = spec.axes.first(where: { $0.name == axis }) { return match.options.map(\.label) }
    if let stream = SeedStream(rawValue: axis) {
      return (spec.replicates[stream] ?? [0]).map(String.init)
    }
    let names = spec.axes.map(\.name) + SeedStream.allCases.map(\.rawValue)
    throw SpecError(
      .notAChoice(axis, nearest: nearestName(to: axis, among: names), allowed: names))
  }

  public func admits(_ run: PlannedRun) -> Bool {
    let combinations = [run.point.axes] + run.point.aliases
    let seeds = run.seeds.map { AxisLabel(axis: $0.key.rawValue, label: String($0.value)) }
    return combinations.contains { combination in
      labels.allSatisfy { axis, wanted in
        (combination + seeds).contains { $0.axis == axis && wanted.contains($0.label) }
      }
    }
  }
}
