import Foundation
import Statistics

/// What makes the value of one run of a method vary: seeds apart from items.
///
/// Of a metric over several fixed texts, items vary about the mean of their text.
public struct VarianceSplit: Codable, Sendable, Equatable {
  /// What one set of factors contributes.
  public struct Component: Codable, Sendable, Equatable {
    /// Seed streams, `items`, or several for their interaction.
    public var factors: [String]
    /// The standard deviation that it gives to the value of one run, in the metric's unit; of a
    /// perplexity by the delta method. 0 where the estimate of the variance is not positive.
    public var deviation: Double
  }

  public var runs: Int
  public var items: Int
  /// What an item is, in the plural.
  public var noun: String
  /// Main effects and interactions; a single run has items alone.
  public var components: [Component]

  /// Splits the variance of a method's runs in one metric.
  ///
  /// - Parameters:
  ///   - definition: Of the metric, for messages.
  ///   - runs: Items of every run with its seeds, a full product of seeds.
  /// - Throws: ``ComparisonError``.
  public init(
    of definition: MetricDefinition, runs: [SeededItems]
  ) throws(ComparisonError) {
    guard let items = runs.first?.items else { throw .noCommonMetric(definition.name) }
    for run in runs {
      if let reason = run.items.difference(from: items) {
        throw .differentItems(
          metric: definition.name, scope: definition.scope, reason: reason)
      }
    }
    let design = try ReplicateDesign(candidate: runs.map(\.seeds), baseline: [[:]])
    do {
      let values = design.pairs.map { runs[$0.candidate].items.values }
      try self.init(
        items: items, values: items.withoutStrata(values), factors: design.factors)
    } catch {
      throw .notComputable(metric: definition.name, scope: definition.scope, error)
    }
  }

  private init(
    items: MetricItems, values: [[Double]], factors: [CrossedVariance.Factor]
  ) throws(StatisticsError) {
    let table = try CrossedTable(
      values, weights: items.weights, clusters: items.clusters, factors: factors)
    let overItems = try table.overItems()
    let scale = items.form == .exponential ? exp(overItems.mean) : 1
    let name = CrossedDifference.itemFactor
    let clusters = Double(overItems.clusterCount)
    runs = values.count
    self.items = items.values.count
    noun = items.noun
    components =
      try table.variance()?.components.map { component in
        // The value of a run is a mean over clusters of items.
        let size = component.factors.contains(name) ? clusters : 1
        return Component(
          factors: component.factors,
          deviation: (component.variance / size).squareRoot() * scale)
      } ?? [Component(factors: [name], deviation: overItems.standardError * scale)]
  }
}
