import Foundation

/// The replicates of one method: results, and their items where they can be read.
public struct RunGroup: Sendable {
  public let results: [RunResult]
  private let items: [RunItems]

  /// Opens the items of all runs.
  ///
  /// - Parameters:
  ///   - results: Runs of one point.
  ///   - workspace: Where their artifacts lie.
  /// - Throws: ``ComparisonError/noItems(run:reason:)``.
  public init(_ results: [RunResult], in workspace: Workspace) throws(ComparisonError) {
    var items: [RunItems] = []
    for result in results { items.append(try RunItems(result, in: workspace)) }
    self.results = results
    self.items = items
  }

  /// The metrics that every run has, in the order of the first.
  public var definitions: [MetricDefinition] {
    (results.first?.outcome.metrics ?? []).map(\.definition).filter { definition in
      results.allSatisfy { $0.outcome.metrics.contains { $0.definition == definition } }
    }
  }

  /// The items of a metric with the seeds of their runs; nil if a run keeps none.
  public func items(of definition: MetricDefinition) throws(ComparisonError) -> [SeededItems]? {
    var seeded: [SeededItems] = []
    for (result, source) in zip(results, items) {
      guard let items = try source.items(of: definition) else { return nil }
      seeded.append(SeededItems(seeds: result.seeds, items: items))
    }
    return seeded.isEmpty ? nil : seeded
  }

  /// Compares this method with a baseline in one metric; nil if either keeps no items of it.
  ///
  /// - Throws: ``ComparisonError``.
  public func comparison(
    of definition: MetricDefinition, with baseline: RunGroup, options: ComparisonOptions
  ) throws(ComparisonError) -> MetricComparison? {
    guard let mine = try items(of: definition), let theirs = try baseline.items(of: definition)
    else { return nil }
    return try MetricComparison(
      of: definition, candidate: mine, baseline: theirs, options: options)
  }

  /// The metrics that both sides measured, refusing those that they define differently.
  ///
  /// - Parameters:
  ///   - baseline: The other side.
  ///   - names: Only metrics of these names; empty for all.
  /// - Returns: In the order of this side, at least one.
  /// - Throws: ``ComparisonError/differentDefinitions(metric:scope:changes:)``,
  ///   ``ComparisonError/noCommonMetric(_:)``.
  public func definitions(
    sharedWith baseline: RunGroup, named names: [String] = []
  ) throws(ComparisonError) -> [MetricDefinition] {
    var shared: [MetricDefinition] = []
    for mine in definitions where names.isEmpty || names.contains(mine.name) {
      guard
        let theirs = baseline.definitions.first(where: {
          $0.name == mine.name && $0.scope == mine.scope
        })
      else { continue }
      guard mine == theirs else {
        throw .differentDefinitions(
          metric: mine.name, scope: mine.scope, changes: mine.changes(from: theirs))
      }
      shared.append(mine)
    }
    guard !shared.isEmpty else { throw .noCommonMetric(names.joined(separator: ", ")) }
    return shared
  }
}

extension MetricDefinition {
  /// What another definition of this metric says differently, `context (512 → 256)`.
  fileprivate func changes(from other: MetricDefinition) -> [String] {
    let before = StageDifference.leaves(other.protocolParameters)
    let after = StageDifference.leaves(protocolParameters)
    let changed = Set(before.keys).union(after.keys).sorted()
      .filter { before[$0] != after[$0] }
      .map { "\($0) (\(Self.short(before[$0])) → \(Self.short(after[$0])))" }
    return changed + (unit == other.unit ? [] : ["unit (\(other.unit) → \(unit))"])
      + (higherIsBetter == other.higherIsBetter ? [] : ["direction"])
  }

  /// Digests and lists of parts are long.
  private static func short(_ text: String?) -> String {
    guard let text else { return "absent" }
    return text.count <= 24 ? text : "\(text.prefix(16))…"
  }
}
