/// How two methods differ over the same items in repeated runs, with the chance of items apart from
/// the chance of seeds.
///
/// With values `v` and weights `w` of items `i` in replicates `r`, the difference is
/// `D = Σ_ri (candidate − baseline) / (R Σ_i w_i)`. It is tested three ways: over fresh items with
/// these replicates, over fresh replicates with these items, and over both. Ratios of sums enter the
/// crossed table linearized, `y_rc = D + G/W · Σ_{i in c} (d_ri − D w_i)` for cluster `c` of `G`, whose
/// mean over `c` is the difference of replicate `r`. With strata, such as the texts that a metric is
/// always taken over, only what differs among the items of a stratum is chance: see ``CrossedTable``.
public struct CrossedDifference: Sendable, Equatable {
  /// Candidate − baseline, in the unit of values per weight.
  public let difference: Double
  /// Over fresh items, the replicates held fixed.
  public let overItems: MeanEstimate
  /// Over fresh seeds, the items held fixed; nil without replicates.
  public let overReplicates: StudentEstimate?
  /// Over fresh seeds and fresh items; nil without replicates.
  public let overBoth: StudentEstimate?
  /// The factors of the replicates, then ``itemFactor``; nil without replicates.
  public let variance: CrossedVariance?

  /// Name of the factor that items, or clusters of them, make.
  public static let itemFactor = "items"

  /// - Parameters:
  ///   - candidate: Finite values, replicates row-major over `factors`, then items.
  ///   - baseline: The same replicates and items.
  ///   - weights: Positive, one per item; nil weighs items alike.
  ///   - clusters: What groups the items; nil if they are independent.
  ///   - strata: The fixed part that each item belongs to, a whole cluster to one; nil: one part.
  ///   - factors: What the replicates vary, each with two levels or more; empty for one replicate.
  /// - Throws: ``StatisticsError`` for an incomplete table, fewer than two clusters, or NaN.
  public init(
    candidate: [[Double]], baseline: [[Double]], weights: [Double]? = nil,
    clusters: Clusters? = nil, strata: Clusters? = nil, factors: [CrossedVariance.Factor] = []
  ) throws(StatisticsError) {
    try requireSameLength(
      ("candidate replicates", candidate.count), ("baseline replicates", baseline.count))
    var differences: [[Double]] = []
    for (first, second) in zip(candidate, baseline) {
      differences.append(try pairedDifferences(first, second))
    }
    let table = try CrossedTable(
      differences, weights: weights, clusters: clusters, strata: strata, factors: factors)
    overItems = try table.overItems()
    difference = overItems.mean
    overReplicates = try table.overReplicates()?.meanEstimate
    variance = try table.variance()
    overBoth = variance?.meanEstimate
  }

  /// The error that covers everything that varied: items, and seeds where there are replicates.
  public var asDesigned: StudentEstimate { overBoth ?? overItems.student }
}

/// Values of replicates by items, and how items and replicates make them vary.
///
/// With strata `h` of `G_h` clusters, the mean `ȳ_c` over replicates of a cluster counts as
/// `√(G_h/(G_h−1) · (G−1)/G) · (ȳ_c − ȳ_h)`, so that items make the mean vary as in ``MeanEstimate``;
/// what seeds do to a stratum stays. Strata are left aside where one has a single cluster.
public struct CrossedTable: Sendable, Equatable {
  /// Replicates row-major over ``factors``, then items.
  public let values: [[Double]]
  public let factors: [CrossedVariance.Factor]
  private let weights: [Double]
  private let clusters: Clusters
  private let strata: Clusters?

  /// - Parameters:
  ///   - values: Finite, as many replicates as the factors have cells, equally many items in each.
  ///   - weights: Positive, one per item; nil weighs items alike.
  ///   - clusters: What groups the items; nil if they are independent.
  ///   - strata: The fixed part that each item belongs to, a whole cluster to one; nil: one part.
  ///   - factors: What the replicates vary; empty for one replicate.
  /// - Throws: ``StatisticsError`` for an incomplete table, fewer than two clusters, or NaN.
  public init(
    _ values: [[Double]], weights: [Double]? = nil, clusters: Clusters? = nil,
    strata: Clusters? = nil, factors: [CrossedVariance.Factor] = []
  ) throws(StatisticsError) {
    let cells = factors.reduce(1) { $0 * $1.levels }
    try requireSameLength(("replicates", values.count), ("cells of their factors", cells))
    let itemWeights = weights ?? [Double](repeating: 1, count: values[0].count)
    for replicate in values { try requireWeights(itemWeights, for: replicate) }
    self.clusters = try checkedClusters(clusters, itemCount: itemWeights.count)
    if let strata {
      try requireSameLength(
        ("values", itemWeights.count), ("stratum names", strata.membership.count))
    }
    self.strata = strata
    self.values = values
    self.weights = itemWeights
    self.factors = factors
  }

  /// The mean over replicates of every item, as one sample of items.
  public func overItems() throws(StatisticsError) -> MeanEstimate {
    let count = Double(values.count)
    let means = weights.indices.map { item in
      // Equal replicates give their value exactly.
      let first = values[0][item]
      if values.allSatisfy({ $0[item] == first }) { return first }
      return values.reduce(0) { $0 + $1[item] } / count
    }
    return try MeanEstimate(sumOf: means, over: weights, clusters: clusters, strata: strata)
  }

  /// The split of the replicates' own means; nil without replicates.
  public func overReplicates() throws(StatisticsError) -> CrossedVariance? {
    guard !factors.isEmpty else { return nil }
    let total = weights.reduce(0, +)
    return try CrossedVariance(values.map { $0.reduce(0, +) / total }, factors: factors)
  }

  /// The split over replicates and items together; nil without replicates.
  public func variance() throws(StatisticsError) -> CrossedVariance? {
    guard !factors.isEmpty else { return nil }
    let mean = try overItems().mean
    let total = weights.reduce(0, +)
    let scale = Double(clusters.count) / total
    let deviations = values.map { replicate in
      clusters.sums(zip(replicate, weights).map { $0 - mean * $1 }).map { scale * $0 }
    }
    let shifts = shiftsWithinStrata(deviations)
    let cells = deviations.flatMap { zip($0, shifts).map { mean + $0 + $1 } }
    let items = CrossedVariance.Factor(CrossedDifference.itemFactor, levels: clusters.count)
    return try CrossedVariance(cells, factors: factors + [items])
  }

  /// What makes of each cluster's mean over replicates that within its stratum; 0 without strata.
  private func shiftsWithinStrata(_ deviations: [[Double]]) -> [Double] {
    var shifts = [Double](repeating: 0, count: clusters.count)
    let parts = clusters.parts(in: strata)
    guard parts.count > 1 else { return shifts }
    let means = shifts.indices.map { cluster in
      deviations.reduce(0) { $0 + $1[cluster] } / Double(deviations.count)
    }
    let all = Double(clusters.count)
    for part in parts {
      let size = Double(part.count)
      let mean = part.reduce(0) { $0 + means[$1] } / size
      let stretch = (size / (size - 1) * (all - 1) / all).squareRoot()
      for cluster in part { shifts[cluster] = stretch * (means[cluster] - mean) - means[cluster] }
    }
    return shifts
  }
}
