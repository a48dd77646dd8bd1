/// How two methods differ over the same items in repeated runs, with the chance of items apart from
/// the chance of seeds.
///
/// With values `v` and weights `w` of items `i` in replicates `r`, the difference is
/// `D = Σ_ri (candidate − baseline) / (R Σ_i w_i)`. It is tested three ways: over fresh items with
/// these replicates, over fresh replicates with these items, and over both. Ratios of sums enter the
/// crossed table linearized, `y_rc = D + G/W · Σ_{i in c} (d_ri − D w_i)` for cluster `c` of `G`, whose
/// mean over `c` is the difference of replicate `r`.
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
  ///   - factors: What the replicates vary, each with two levels or more; empty for one replicate.
  /// - Throws: ``StatisticsError`` for an incomplete table, fewer than two clusters, or NaN.
  public init(
    candidate: [[Double]], baseline: [[Double]], weights: [Double]? = nil,
    clusters: Clusters? = nil, factors: [CrossedVariance.Factor] = []
  ) throws(StatisticsError) {
    try requireSameLength(
      ("candidate replicates", candidate.count), ("baseline replicates", baseline.count))
    var differences: [[Double]] = []
    for (first, second) in zip(candidate, baseline) {
      differences.append(try pairedDifferences(first, second))
    }
    let table = try CrossedTable(
      differences, weights: weights, clusters: clusters, factors: factors)
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
public struct CrossedTable: Sendable, Equatable {
  /// Replicates row-major over ``factors``, then items.
  public let values: [[Double]]
  public let factors: [CrossedVariance.Factor]
  private let weights: [Double]
  private let clusters: Clusters

  /// - Parameters:
  ///   - values: Finite, as many replicates as the factors have cells, equally many items in each.
  ///   - weights: Positive, one per item; nil weighs items alike.
  ///   - clusters: What groups the items; nil if they are independent.
  ///   - factors: What the replicates vary; empty for one replicate.
  /// - Throws: ``StatisticsError`` for an incomplete table, fewer than two clusters, or NaN.
  public init(
    _ values: [[Double]], weights: [Double]? = nil, clusters: Clusters? = nil,
    factors: [CrossedVariance.Factor] = []
  ) throws(StatisticsError) {
    let cells = factors.reduce(1) { $0 * $1.levels }
    try requireSameLength(("replicates", values.count), ("cells of their factors", cells))
    let itemWeights = weights ?? [Double](repeating: 1, count: values[0].count)
    for replicate in values { try requireWeights(itemWeights, for: replicate) }
    self.clusters = try checkedClusters(clusters, itemCount: itemWeights.count)
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
    return try MeanEstimate(sumOf: means, over: weights, clusters: clusters)
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
    var cells: [Double] = []
    for replicate in values {
      let residuals = zip(replicate, weights).map { $0 - mean * $1 }
      cells += clusters.sums(residuals).map { mean + scale * $0 }
    }
    let items = CrossedVariance.Factor(CrossedDifference.itemFactor, levels: clusters.count)
    return try CrossedVariance(cells, factors: factors + [items])
  }
}
