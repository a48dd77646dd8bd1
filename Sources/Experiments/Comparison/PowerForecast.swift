import Foundation
import Statistics

/// How small a difference an experiment can show, before it is run.
public struct PowerForecast: Sendable {
  /// What is supposed where nothing was measured yet.
  public struct Assumptions: Sendable, Equatable {
    public var alpha = 0.05
    public var power = 0.8
    /// Share of items that only one of two methods gets right.
    public var discordance = 0.05
    /// Standard deviation over windows of the difference of two methods, nats per token.
    public var deviation = 0.02
    /// Tests that are corrected together; the first of Holm's is at α divided by this.
    public var tests = 1

    public init() {}
  }

  /// One metric.
  public struct Line: Codable, Sendable, Equatable {
    public var metric: String
    public var scope: String
    public var items: Int
    /// What an item is, in the plural.
    public var noun: String
    /// The smallest true difference of two methods that is found, in `unit`; nil if none is.
    public var detectable: Double?
    /// The same at α divided by the number of tests.
    public var corrected: Double?
    public var unit: String
    /// Whether the difference is the log of a ratio.
    public var isRatio: Bool
    /// What the forecast rests on.
    public var basis: String
  }

  /// Points that are compared to learn errors; more tell little more.
  private static let mostPoints = 8

  private let assumptions: Assumptions

  public init(_ assumptions: Assumptions) { self.assumptions = assumptions }

  /// The smallest detectable difference in every metric that keeps items.
  ///
  /// Where two points are finished, from the errors of their paired differences, replicates
  /// included; else from the number of items and the assumptions, for one run against one.
  ///
  /// - Parameters:
  ///   - spec: The experiment.
  ///   - plan: Its runs; finished ones are read.
  ///   - workspace: Where they lie.
  /// - Returns: By metric and scope; metrics whose items cannot be counted are left out.
  /// - Throws: ``StatisticsError`` for assumptions out of range, ``SpecError``.
  public func lines(
    of spec: ExperimentSpec, plan: ExperimentPlan, in workspace: Workspace
  ) throws -> [Line] {
    var lines = try measured(plan, in: workspace)
    guard let parameters = try spec.points().first?.parameters else { return lines }
    for count in ExpectedItems.counts(of: parameters)
    where !lines.contains(where: { $0.metric == count.metric && $0.scope == count.scope }) {
      lines.append(try assumed(count))
    }
    return lines.sorted { ($0.metric, $0.scope) < ($1.metric, $1.scope) }
  }

  private func measured(_ plan: ExperimentPlan, in workspace: Workspace) throws -> [Line] {
    let groups = finished(plan, in: workspace)
    guard let first = groups.first, groups.count > 1 else { return [] }
    return first.definitions.compactMap { definition in
      var comparisons: [(plain: MetricComparison, corrected: MetricComparison)] = []
      for (place, group) in groups.enumerated() {
        for other in groups[..<place] {
          guard let plain = comparison(definition, group, other, alpha: assumptions.alpha),
            let corrected = comparison(
              definition, group, other, alpha: assumptions.alpha / Double(assumptions.tests))
          else { continue }
          comparisons.append((plain, corrected))
        }
      }
      return Self.line(definition, comparisons)
    }
  }

  private func finished(_ plan: ExperimentPlan, in workspace: Workspace) -> [RunGroup] {
    var order: [[AxisLabel]] = []
    var runs: [String: [RunResult]] = [:]
    for point in plan.runs where point.state == .done {
      guard let result = workspace.run(point.run).result() else { continue }
      if !order.contains(point.axes) { order.append(point.axes) }
      runs["\(point.axes)", default: []].append(result)
    }
    return order.prefix(Self.mostPoints).compactMap { axes in
      try? RunGroup(runs["\(axes)"] ?? [], in: workspace)
    }
  }

  private func comparison(
    _ definition: MetricDefinition, _ candidate: RunGroup, _ baseline: RunGroup, alpha: Double
  ) -> MetricComparison? {
    var options = ComparisonOptions()
    // Detectable differences rest on standard errors, not on resamples.
    (options.alpha, options.power, options.resamples) = (alpha, assumptions.power, 100)
    return try? candidate.comparison(of: definition, with: baseline, options: options)
  }

  /// The medians over pairs of points; a pair that can show nothing counts as the largest.
  private static func line(
    _ definition: MetricDefinition,
    _ comparisons: [(plain: MetricComparison, corrected: MetricComparison)]
  ) -> Line? {
    guard let any = comparisons.first?.plain else { return nil }
    let factors = comparisons.map(\.plain.factors).max { $0.count < $1.count } ?? []
    let seeds = factors.map { "\($0.levels) \($0.name) seeds" }.joined(separator: " × ")
    let pairs = "\(comparisons.count) pair\(comparisons.count == 1 ? "" : "s") of finished points"
    return Line(
      metric: definition.name, scope: definition.scope, items: any.items, noun: any.noun,
      detectable: median(comparisons.map(\.plain.detectable)),
      corrected: median(comparisons.map(\.corrected.detectable)), unit: any.unit,
      isRatio: any.ratio != nil,
      basis: "measured: median over \(pairs)" + (seeds.isEmpty ? "" : ", up to \(seeds)"))
  }

  private static func median(_ sizes: [Double?]) -> Double? {
    let sorted = sizes.map { $0 ?? .infinity }.sorted()
    guard let middle = sorted.dropFirst((sorted.count - 1) / 2).first, middle.isFinite else {
      return nil
    }
    return middle
  }

  private func assumed(_ count: ExpectedItems) throws -> Line {
    let isAccuracy = count.metric != "perplexity"
    let basis =
      isAccuracy
      ? "assumed: \(assumptions.discordance) of the items discordant, one run against one"
      : "assumed: sd \(assumptions.deviation) nats/token over windows, one run against one"
    return Line(
      metric: count.metric, scope: count.scope, items: count.items,
      noun: isAccuracy ? "questions" : "windows",
      detectable: try size(count, alpha: assumptions.alpha),
      corrected: try size(count, alpha: assumptions.alpha / Double(assumptions.tests)),
      unit: isAccuracy ? "fraction" : "nats/token", isRatio: !isAccuracy, basis: basis)
  }

  private func size(_ count: ExpectedItems, alpha: Double) throws -> Double? {
    guard count.items > 1 else { return nil }
    guard count.metric != "perplexity" else {
      return try MeanDetectability.smallestDifference(
        deviation: assumptions.deviation, units: count.items, alpha: alpha,
        power: assumptions.power)
    }
    return try AccuracyDetectability(
      items: count.items, discordance: assumptions.discordance, alpha: alpha
    ).smallestDifference(power: assumptions.power)
  }
}
