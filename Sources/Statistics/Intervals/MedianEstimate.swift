/// The median of repeated measurements with an interval that asks nothing of their distribution.
public struct MedianEstimate: Sendable, Equatable {
  /// The middle value, or the mean of both.
  public let median: Double
  /// Two order statistics that enclose the true median with at least the stated probability; nil if
  /// there are too few values (fewer than 6 for 0.95).
  public let interval: ConfidenceInterval?

  /// - Parameters:
  ///   - values: Independent and finite; nil is returned for none.
  ///   - level: Nominal coverage.
  /// - SeeAlso: David and Nagaraja 2003, "Order Statistics", §7.1.
  public init?(_ values: [Double], level: Double = 0.95) {
    guard !values.isEmpty else { return nil }
    let (sorted, count) = (values.sorted(), values.count)
    median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    // The number of values below the median is binomial with p = 1/2.
    var (probability, below) = (Double(sign: .plus, exponent: -count, significand: 1), 0.0)
    var outside = 0
    while outside < count / 2, 2 * (below + probability) <= 1 - level {
      below += probability
      probability *= Double(count - outside) / Double(outside + 1)
      outside += 1
    }
    interval =
      outside == 0
      ? nil
      : ConfidenceInterval(
        lower: sorted[outside - 1], upper: sorted[count - outside], level: level,
        method: .orderStatistics)
  }
}
