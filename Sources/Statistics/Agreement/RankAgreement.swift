/// How well one quantity puts things into the order of another.
///
/// Intervals are percentiles over resamples of the things. A thing that is drawn twice is tied with
/// itself in both quantities, which is why overlaps of resamples lie a little too high.
/// - SeeAlso: Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13.
public struct RankAgreement: Sendable, Equatable {
  public struct Estimate: Sendable, Equatable {
    public let value: Double
    /// nil where too many resamples have no value.
    public let interval: ConfidenceInterval?
  }

  /// Number of things.
  public let count: Int
  /// Spearman's ρ and Kendall's τ-b; nil where a quantity is constant.
  public let spearman: Estimate?
  public let kendall: Estimate?
  /// The share of the ``topCount`` largest of one quantity that are among those of the other.
  public let topOverlap: Estimate
  public let topCount: Int

  /// Compares two quantities of the same things.
  ///
  /// - Parameters:
  ///   - a: Finite, one per thing.
  ///   - b: As many, in the same order.
  ///   - topShare: The share of things that counts as top, at least one; above 0, at most 1.
  ///   - level: Nominal coverage of intervals, between 0 and 1.
  ///   - resamples: How many, at least 100.
  ///   - random: Advanced by `resamples` times the number of things draws.
  /// - Throws: ``StatisticsError`` for unequal lengths, NaN, fewer than two things, or numbers out of
  ///   range.
  /// - Complexity: O(resamples · n log n).
  public init(
    _ a: [Double], _ b: [Double], topShare: Double = 0.25, level: Double = 0.95,
    resamples: Int = 1000, using random: inout SeededGenerator
  ) throws(StatisticsError) {
    try requireSameLength(("values", a.count), ("values", b.count))
    try requireSample(a, "first values", atLeast: 2)
    try requireSample(b, "second values", atLeast: 2)
    try requireCount(resamples, "resamples", atLeast: 100)
    try requireInnerProbability(level, "The level")
    guard topShare > 0, topShare <= 1 else {
      throw .outside("The share of top things", value: "\(topShare)", allowed: "in (0, 1]")
    }
    count = a.count
    let top = max(1, Int((topShare * Double(a.count)).rounded()))
    topCount = top
    var (rhos, taus, overlaps): ([Double], [Double], [Double]) = ([], [], [])
    for _ in 0..<resamples {
      let drawn = a.indices.map { _ in random.below(a.count) }
      let (x, y) = (drawn.map { a[$0] }, drawn.map { b[$0] })
      if let rho = spearmanCorrelation(x, y) { rhos.append(rho) }
      if let tau = kendallTau(x, y) { taus.append(tau) }
      overlaps.append(topSetOverlap(x, y, count: top))
    }
    func estimate(_ value: Double, _ draws: [Double]) -> Estimate {
      Estimate(
        value: value,
        interval: 10 * draws.count < 9 * resamples
          ? nil : Self.percentiles(draws.sorted(), level: level))
    }
    spearman = spearmanCorrelation(a, b).map { estimate($0, rhos) }
    kendall = kendallTau(a, b).map { estimate($0, taus) }
    topOverlap = estimate(topSetOverlap(a, b, count: top), overlaps)
  }

  private static func percentiles(_ sorted: [Double], level: Double) -> ConfidenceInterval {
    func quantile(_ probability: Double) -> Double {
      let place = probability * Double(sorted.count - 1)
      let low = Int(place)
      let high = min(low + 1, sorted.count - 1)
      return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
    }
    return ConfidenceInterval(
      lower: quantile((1 - level) / 2), upper: quantile((1 + level) / 2), level: level,
      method: .percentileBootstrap)
  }
}

/// The share of the `count` largest of one quantity that are among the `count` largest of another.
///
/// - Parameters:
///   - a: Measurements.
///   - b: As many, in the same order.
///   - count: 1…n. Of equal values the earlier one counts as larger.
/// - Returns: 0...1.
public func topSetOverlap(_ a: [Double], _ b: [Double], count: Int) -> Double {
  precondition(a.count == b.count, "\(a.count) values against \(b.count)")
  precondition(a.isEmpty || (1...a.count).contains(count), "top \(count) of \(a.count)")
  func top(_ values: [Double]) -> Set<Int> {
    Set(values.indices.sorted { (values[$1], $0) < (values[$0], $1) }.prefix(count))
  }
  return Double(top(a).intersection(top(b)).count) / Double(max(count, 1))
}
