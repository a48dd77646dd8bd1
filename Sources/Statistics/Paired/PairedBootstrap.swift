/// How two models differ in a pooled mean, by resampling clusters of items with replacement.
///
/// Every resample draws as many clusters as there are, takes both models' sums of the same clusters,
/// and computes the statistic anew. What the models share (hard documents) cancels. With strata, such
/// as the texts that a metric is always taken over, as many clusters of each are drawn as it has.
/// - SeeAlso: Efron and Tibshirani 1993, "An introduction to the bootstrap", chapters 8 and 14.
public struct PairedBootstrap: Sendable, Equatable {
  /// What is computed from the candidate's mean `c` and the baseline's `b`, each `Σ values / Σ weights`.
  public enum Statistic: String, Sendable, CaseIterable {
    /// `c − b`; for nats per token the log of the perplexity ratio.
    case difference
    /// `c / b`.
    case ratio
    /// `exp c − exp b`.
    case perplexityDifference
    /// `exp(c − b)`.
    case perplexityRatio
  }

  public let statistic: Statistic
  /// The statistic of the items as they are.
  public let estimate: Double
  /// The statistic of every resample, ascending.
  public let resamples: [Double]
  public let clusterCount: Int
  /// A sixth of the skewness of the leave-one-cluster-out values; nil if they are all equal.
  private let acceleration: Double?

  /// Draws all resamples.
  ///
  /// - Parameters:
  ///   - candidate: Finite sums, one per item, such as nats of a window.
  ///   - baseline: The same items in the same order.
  ///   - weights: Positive, such as tokens of a window; nil weighs items alike.
  ///   - clusters: What is drawn as a whole; nil draws items.
  ///   - strata: The fixed part that each item belongs to, a whole cluster to one; nil: one part. They are
  ///     left aside where one of them has a single cluster.
  ///   - statistic: What to compute.
  ///   - count: Number of resamples, at least 100.
  ///   - random: Advanced by `count` times the number of clusters draws of
  ///     ``SeededGenerator/below(_:)``.
  /// - Throws: ``StatisticsError`` for unequal lengths, NaN, weights that are not positive, fewer than
  ///   two clusters, or a statistic that is not finite.
  /// - Complexity: O(count · clusters).
  public init(
    candidate: [Double], baseline: [Double], weights: [Double]? = nil, clusters: Clusters? = nil,
    strata: Clusters? = nil, statistic: Statistic = .difference, count: Int = 10_000,
    using random: inout SeededGenerator
  ) throws(StatisticsError) {
    _ = try pairedDifferences(candidate, baseline)
    try requireCount(count, "resamples", atLeast: 100)
    let itemWeights = weights ?? [Double](repeating: 1, count: candidate.count)
    try requireWeights(itemWeights, for: candidate)
    let groups = try checkedClusters(clusters, itemCount: candidate.count)
    let totals = PairedTotals.perCluster(candidate, baseline, itemWeights, groups)
    let all = totals.reduce(PairedTotals(), +)
    let parts = groups.parts(in: strata).map { part in part.map { totals[$0] } }
    let leaveOneOut = parts.map { part in part.map { (all - $0).value(of: statistic) } }
    let draws = (0..<count).map { _ in
      parts.reduce(PairedTotals()) { $0 + PairedTotals.resampled($1, using: &random) }
        .value(of: statistic)
    }
    estimate = all.value(of: statistic)
    guard estimate.isFinite, draws.allSatisfy(\.isFinite) else {
      throw .undefinedResample(statistic.rawValue)
    }
    resamples = draws.sorted()
    acceleration = Self.acceleration(leaveOneOut)
    clusterCount = groups.count
    self.statistic = statistic
  }

  /// `Σd³ / (6 (Σd²)^{3/2})` over `d = mean − value`, of strata over `d · (n−1)/n`.
  ///
  /// - SeeAlso: Davison and Hinkley 1997, "Bootstrap methods and their application", section 5.3.
  private static func acceleration(_ leaveOneOut: [[Double]]) -> Double? {
    var (squares, cubes) = (0.0, 0.0)
    for part in leaveOneOut {
      let size = Double(part.count)
      let mean = part.reduce(0, +) / size
      let factor = leaveOneOut.count > 1 ? (size - 1) / size : 1
      for value in part {
        let influence = (mean - value) * factor
        squares += influence * influence
        cubes += influence * influence * influence
      }
    }
    guard squares > 0, squares.isFinite else { return nil }
    let acceleration = cubes / (6 * squares * squares.squareRoot())
    return acceleration.isFinite ? acceleration : nil
  }

  /// The standard deviation of the resamples.
  public var standardError: Double {
    // At least 100 resamples, so that there is a deviation.
    SampleSummary(resamples)?.standardDeviation ?? 0
  }

  /// The middle `level` of the resamples.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in the unit of the statistic.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func percentileInterval(level: Double = 0.95) throws(StatisticsError) -> ConfidenceInterval
  {
    try requireInnerProbability(level, "The level")
    return ConfidenceInterval(
      lower: quantile((1 - level) / 2), upper: quantile((1 + level) / 2), level: level,
      method: .percentileBootstrap)
  }

  /// The bias-corrected and accelerated interval; nil where all resamples lie on one side of the
  /// estimate, nothing varies, or the level is too close to 1 for the skewness.
  ///
  /// Its ends are quantiles at `Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z)))`, with `z₀ = Φ⁻¹` of the share of
  /// resamples below the estimate (ties count half) and `a` from leaving out one cluster at a time.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in the unit of the statistic.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  /// - SeeAlso: Efron 1987, "Better bootstrap confidence intervals",
  ///   doi:10.1080/01621459.1987.10478410.
  public func acceleratedInterval(
    level: Double = 0.95
  ) throws(StatisticsError) -> ConfidenceInterval? {
    try requireInnerProbability(level, "The level")
    guard let acceleration else { return nil }
    let below = resamples.count { $0 < estimate }
    let atMost = resamples.count { $0 <= estimate }
    let bias = StandardNormal.point(below: Double(below + atMost) / Double(2 * resamples.count))
    guard bias.isFinite else { return nil }
    let z = StandardNormal.point(within: level)
    let ends = [bias - z, bias + z].compactMap { shifted -> Double? in
      let stretch = 1 - acceleration * shifted
      // Beyond the pole the transformation turns round.
      guard stretch > 0 else { return nil }
      return quantile(StandardNormal.cumulative(bias + shifted / stretch))
    }
    guard ends.count == 2 else { return nil }
    return ConfidenceInterval(
      lower: ends[0], upper: ends[1], level: level, method: .acceleratedBootstrap)
  }

  /// The two-sided p-value of a supposed statistic, by inverting the percentile interval.
  ///
  /// Twice the smaller share of resamples on one side of it; the sample itself counts as one
  /// resample, so that no p-value is 0.
  public func pValue(against supposed: Double) -> Double {
    let below = resamples.count { $0 <= supposed }
    let above = resamples.count { $0 >= supposed }
    return min(1, 2 * Double(min(below, above) + 1) / Double(resamples.count + 1))
  }

  /// Linear between the sorted resamples.
  private func quantile(_ probability: Double) -> Double {
    let place = probability * Double(resamples.count - 1)
    let low = Int(place)
    let high = min(low + 1, resamples.count - 1)
    return resamples[low] + (place - Double(low)) * (resamples[high] - resamples[low])
  }
}
