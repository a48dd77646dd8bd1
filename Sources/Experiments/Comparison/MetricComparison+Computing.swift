import Foundation
import Statistics

/// One run's items with the seeds that it read.
public struct SeededItems: Sendable, Equatable {
  public var seeds: [String: Int]
  public var items: MetricItems

  public init(seeds: [String: Int], items: MetricItems) {
    self.seeds = seeds
    self.items = items
  }
}

extension MetricComparison {
  /// Compares two methods on the same items.
  ///
  /// - Parameters:
  ///   - definition: Of the metric, for messages and units.
  ///   - candidate: The runs of the candidate.
  ///   - baseline: The runs of the baseline.
  ///   - options: Levels, margin, resamples.
  /// - Throws: ``ComparisonError``.
  public init(
    of definition: MetricDefinition, candidate: [SeededItems], baseline: [SeededItems],
    options: ComparisonOptions
  ) throws(ComparisonError) {
    let (metric, scope) = (definition.name, definition.scope)
    guard let reference = baseline.first?.items, !candidate.isEmpty else {
      throw .noCommonMetric(metric)
    }
    for side in candidate + baseline {
      if let reason = side.items.difference(from: reference) {
        throw .differentItems(metric: metric, scope: scope, reason: reason)
      }
    }
    let design = try ReplicateDesign(
      candidate: candidate.map(\.seeds), baseline: baseline.map(\.seeds))
    let pairs = PairedItems(
      items: reference, candidate: design.pairs.map { candidate[$0.candidate].items.values },
      baseline: design.pairs.map { baseline[$0.baseline].items.values }, factors: design.factors)
    do {
      self = try pairs.comparison(unit: definition.additiveUnit, options)
    } catch { throw .notComputable(metric: metric, scope: scope, error) }
    runs = Set(design.pairs.map(\.candidate)).count + Set(design.pairs.map(\.baseline)).count
  }
}

extension MetricDefinition {
  /// The unit in which values add up: `nats/token` of a perplexity in `exp(nats/token)`.
  var additiveUnit: String {
    guard unit.hasPrefix("exp("), unit.hasSuffix(")") else { return unit }
    return String(unit.dropFirst(4).dropLast())
  }
}

/// The paired replicates of two methods, ready to be tested.
private struct PairedItems {
  /// Weights, groups and form, which both sides share.
  let items: MetricItems
  /// Replicates row-major over the factors, then items.
  let candidate: [[Double]]
  let baseline: [[Double]]
  let factors: [CrossedVariance.Factor]

  private var strata: Clusters? { items.strata.map { Clusters($0) } }

  func comparison(
    unit: String, _ options: ComparisonOptions
  ) throws(StatisticsError) -> MetricComparison {
    let crossed = try CrossedDifference(
      candidate: candidate, baseline: baseline, weights: items.weights, clusters: items.clusters,
      strata: strata, factors: factors)
    let estimate = crossed.asDesigned
    let interval = try estimate.interval(level: options.level)
    let margin = margin(options.margin, isFraction: unit == "fraction")
    var result = MetricComparison(
      test: factors.isEmpty ? .clustered : .crossed, items: items.values.count,
      clusters: crossed.overItems.isClustered ? crossed.overItems.clusterCount : nil,
      noun: items.noun, factors: factors.map { .init(name: $0.name, levels: $0.levels) }, runs: 0,
      candidate: metric(of: candidate), baseline: metric(of: baseline),
      difference: .init(value: crossed.difference, interval), unit: unit, level: options.level,
      interval: interval.method.rawValue, pValue: p(estimate), itemP: p(crossed.overItems.student),
      seedP: crossed.overReplicates.flatMap(p), alpha: options.alpha, power: options.power,
      margin: margin,
      equivalenceP: try EquivalenceTest(estimate, within: -margin...margin).pValue)
    if estimate.standardError > 0 {
      result.detectable = try MeanDetectability.smallestDifference(
        after: estimate, alpha: options.alpha, power: options.power)
    }
    if crossed.overItems.stratumCount > 1 { result.strata = crossed.overItems.stratumCount }
    if factors.isEmpty { try refine(&result, crossed.overItems, options) }
    if items.form == .exponential { result.ratio = result.difference.exponential }
    return result
  }

  /// One run against one: exact tests and resampling take the place of t.
  private func refine(
    _ result: inout MetricComparison, _ estimate: MeanEstimate, _ options: ComparisonOptions
  ) throws(StatisticsError) {
    guard items.form == .outcomes else { return try resample(&result, options) }
    let outcomes = try PairedOutcomes(
      candidate: candidate[0].map { $0 > 0.5 }, baseline: baseline[0].map { $0 > 0.5 })
    (result.gained, result.lost) = (outcomes.gained, outcomes.lost)
    guard !estimate.isClustered else { return }
    let interval = try outcomes.interval(level: options.level)
    result.test = .mcNemar
    // Each discordant item is as likely gained as lost, whichever text it is of.
    result.strata = nil
    result.difference = .init(value: outcomes.difference, interval)
    result.interval = interval.method.rawValue
    result.pValue = McNemarTest(outcomes).exactP
    result.itemP = result.pValue
    result.equivalenceP =
      try EquivalenceTest(outcomes, within: -result.margin...result.margin).pValue
    result.detectable = nil
    guard outcomes.discordant > 0 else { return }
    result.detectable = try AccuracyDetectability(
      items: outcomes.count,
      discordance: Double(outcomes.discordant) / Double(outcomes.count), alpha: options.alpha
    ).smallestDifference(power: options.power)
  }

  private func resample(
    _ result: inout MetricComparison, _ options: ComparisonOptions
  ) throws(StatisticsError) {
    result.test = .bootstrap
    // Where both sides agree in every item, resamples say nothing that t does not.
    guard result.pValue != nil, candidate != baseline else { return }
    var random = SeededGenerator(seed: options.seed)
    let bootstrap = try PairedBootstrap(
      candidate: candidate[0], baseline: baseline[0], weights: items.weights,
      clusters: items.clusters, strata: strata, count: options.resamples, using: &random)
    let percentile = try bootstrap.percentileInterval(level: options.level)
    let interval = try bootstrap.acceleratedInterval(level: options.level) ?? percentile
    result.difference = .init(value: bootstrap.estimate, interval)
    result.interval = interval.method.rawValue
    result.pValue = bootstrap.pValue(against: 0)
    result.itemP = result.pValue
  }

  /// Methods whose items all agree do not differ: p is 1.
  private func p(_ estimate: StudentEstimate) -> Double? {
    estimate.pValue() ?? (estimate.mean == 0 ? 1 : nil)
  }

  /// The metric over all replicates: of perplexities exp of the mean nats per token.
  private func metric(of side: [[Double]]) -> Double {
    let mean = mean(of: side)
    return items.form == .exponential ? exp(mean) : mean
  }

  private func mean(of side: [[Double]]) -> Double {
    let divisor = items.weights?.reduce(0, +) ?? Double(items.values.count)
    let sums = side.map { $0.reduce(0, +) / divisor }
    return sums.reduce(0, +) / Double(sums.count)
  }

  /// Absolute for fractions, relative for what has a scale of its own.
  private func margin(_ margin: Double, isFraction: Bool) -> Double {
    switch items.form {
    case .outcomes: margin
    case .exponential: log(1 + margin)
    case .mean:
      isFraction ? margin : max(abs(mean(of: baseline)) * margin, .leastNormalMagnitude)
    }
  }
}

extension MetricComparison.Interval {
  fileprivate init(value: Double, _ interval: ConfidenceInterval) {
    self.init(value: value, lower: interval.lower, upper: interval.upper)
  }

  fileprivate var exponential: Self {
    Self(value: exp(value), lower: exp(lower), upper: exp(upper))
  }
}
