/// A mean, or a ratio of sums, with a standard error that respects clusters.
///
/// For `r = Σy / Σw` over items in `G` clusters,
/// `SE² = G/(G−1) · Σ_c (Σ_{i in c} (yᵢ − r wᵢ))² / (Σw)²`; with `w = 1` and every item on its own
/// this is `s²/n`. With strata, such as the texts that a metric is always taken over, only what
/// differs within them counts: `SE² = Σ_h G_h/(G_h−1) · Σ_{c in h} (R_c − R̄_h)² / (Σw)²`, R_c being the
/// sum of `yᵢ − r wᵢ` of a cluster. Tests and intervals use Student's t with as many degrees of
/// freedom as clusters less strata.
/// - SeeAlso: Miller 2024, "Adding error bars to evals", arXiv:2411.00640; Liang and Zeger 1986,
///   doi:10.1093/biomet/73.1.13.
public struct MeanEstimate: Sendable, Equatable {
  /// In the unit of the values, or of values per weight.
  public let mean: Double
  /// In the same unit; 0 only if all values are equal (in proportion to the weights).
  public let standardError: Double
  public let itemCount: Int
  public let clusterCount: Int
  /// 1 where nothing is stratified.
  public let stratumCount: Int
  /// Whether some cluster holds more than one item.
  public let isClustered: Bool

  /// The mean of independent or clustered values.
  ///
  /// - Parameters:
  ///   - values: Finite, one per item.
  ///   - clusters: What groups the items; nil if they are independent.
  /// - Throws: ``StatisticsError`` for fewer than two clusters, NaN or unequal lengths.
  public init(_ values: [Double], clusters: Clusters? = nil) throws(StatisticsError) {
    try self.init(
      sumOf: values, over: [Double](repeating: 1, count: values.count), clusters: clusters)
  }

  /// The mean of candidate − baseline over the same items, or with weights `Σ(c − b) / Σ weights`.
  ///
  /// - Parameters:
  ///   - candidate: Finite, one per item.
  ///   - baseline: The same items in the same order.
  ///   - weights: Positive, such as tokens where the values are nats of a window; nil for means.
  ///   - clusters: What groups the items; nil if they are independent.
  ///   - strata: The fixed part that each item belongs to; nil: one part.
  /// - Throws: ``StatisticsError`` for fewer than two clusters, NaN or unequal lengths.
  public init(
    candidate: [Double], baseline: [Double], weights: [Double]? = nil, clusters: Clusters? = nil,
    strata: Clusters? = nil
  ) throws(StatisticsError) {
    let differences = try pairedDifferences(candidate, baseline)
    let divisors = weights ?? [Double](repeating: 1, count: differences.count)
    try self.init(sumOf: differences, over: divisors, clusters: clusters, strata: strata)
  }

  /// A ratio of sums, such as nats per token over windows: `Σ values / Σ weights`.
  ///
  /// - Parameters:
  ///   - values: Finite sums, one per item, such as nats of a window.
  ///   - weights: Positive, such as tokens of that window.
  ///   - clusters: What groups the items; nil if they are independent.
  ///   - strata: The fixed part that each item belongs to, a whole cluster to one; nil: one part. They are
  ///     left aside where one of them has a single cluster, which says nothing of the error.
  /// - Throws: ``StatisticsError`` for fewer than two clusters, NaN, unequal lengths, or a weight
  ///   that is not positive.
  public init(
    sumOf values: [Double], over weights: [Double], clusters: Clusters? = nil,
    strata: Clusters? = nil
  ) throws(StatisticsError) {
    try requireWeights(weights, for: values)
    let groups = try checkedClusters(clusters, itemCount: values.count)
    let ratio = Self.ratio(values, weights)
    var residuals = values
    for index in values.indices { residuals[index] -= ratio * weights[index] }
    let stratified = groups.sums(residuals, in: strata)
    let parts =
      stratified.contains { $0.count < 2 } ? groups.sums(residuals, in: nil) : stratified
    let variance = parts.reduce(0) { $0 + Self.variance(ofSum: $1, isWhole: parts.count == 1) }
    mean = ratio
    stratumCount = parts.count
    standardError = variance.squareRoot() / weights.reduce(0, +)
    itemCount = values.count
    clusterCount = groups.count
    isClustered = groups.count < values.count
  }

  /// Of a sum over clusters drawn at random; the mean of the residuals of a whole sample is 0.
  private static func variance(ofSum residuals: [Double], isWhole: Bool) -> Double {
    guard residuals.count > 1 else { return 0 }
    let (count, sum) = (Double(residuals.count), residuals.reduce(0, +))
    let mean = isWhole ? 0 : sum / count
    return residuals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } * count / (count - 1)
  }

  /// Equal values have exactly their value as mean; a rounded sum would fake a spread.
  private static func ratio(_ values: [Double], _ weights: [Double]) -> Double {
    let first = values[0] / weights[0]
    for index in values.indices where first * weights[index] != values[index] {
      return values.reduce(0, +) / weights.reduce(0, +)
    }
    return first
  }

  public var degreesOfFreedom: Int { clusterCount - stratumCount }

  /// `mean ± t · standardError`.
  ///
  /// - Parameter level: Nominal coverage, between 0 and 1.
  /// - Returns: Bounds in the unit of the mean.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public func interval(level: Double = 0.95) throws(StatisticsError) -> ConfidenceInterval {
    try student.interval(level: level)
  }

  /// The two-sided p-value of a supposed mean; nil where nothing varies.
  public func pValue(against supposed: Double = 0) -> Double? {
    student.pValue(against: supposed)
  }
}
