/// Whether a difference is small enough to be called none: two one-sided tests.
///
/// Equivalence is claimed at α if both `H₀: difference ≤ lower margin` and `H₀: difference ≥ upper
/// margin` are rejected, that is if the interval of level `1 − 2α` lies within the margins. Failing
/// to find a difference is not such a claim.
/// - SeeAlso: Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power
///   approach", doi:10.1007/BF01068419.
public struct EquivalenceTest: Sendable, Equatable {
  /// Candidate − baseline.
  public let difference: Double
  /// Differences that do not matter, in the unit of the difference.
  public let margins: ClosedRange<Double>
  /// p-value of "not below the lower margin" (non-inferiority where more is better).
  public let lowerP: Double
  /// p-value of "not above the upper margin" (non-inferiority where less is better).
  public let upperP: Double

  /// p-value of equivalence: the larger of both.
  public var pValue: Double { max(lowerP, upperP) }

  /// Tests a mean difference by Student's t.
  ///
  /// - Parameters:
  ///   - estimate: A mean of paired differences with its error.
  ///   - margins: Finite, lower below upper, in its unit.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)`` for margins without width.
  public init(
    _ estimate: StudentEstimate, within margins: ClosedRange<Double>
  ) throws(StatisticsError) {
    try Self.check(margins, limit: .infinity)
    func tail(_ distance: Double) -> Double {
      // Without any spread the difference is known; on the margin itself nothing is shown.
      guard estimate.standardError > 0 else { return distance > 0 ? 0 : 1 }
      return estimate.distribution.upperTail(distance / estimate.standardError)
    }
    difference = estimate.mean
    lowerP = tail(estimate.mean - margins.lowerBound)
    upperP = tail(margins.upperBound - estimate.mean)
    self.margins = margins
  }

  /// Tests a mean of paired differences, clustered or not, by Student's t.
  public init(
    _ estimate: MeanEstimate, within margins: ClosedRange<Double>
  ) throws(StatisticsError) {
    try self.init(estimate.student, within: margins)
  }

  /// Tests a difference of accuracies on the same items by Tango's score.
  ///
  /// - Parameters:
  ///   - outcomes: Right and wrong answers of both models.
  ///   - margins: Differences of proportions, between −1 and 1, lower below upper; ±0.005 is half a
  ///     percentage point.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)`` for margins out of range.
  public init(
    _ outcomes: PairedOutcomes, within margins: ClosedRange<Double>
  ) throws(StatisticsError) {
    try Self.check(margins, limit: 1)
    difference = outcomes.difference
    lowerP = StandardNormal.upperTail(outcomes.uncheckedScore(margins.lowerBound))
    upperP = StandardNormal.cumulative(outcomes.uncheckedScore(margins.upperBound))
    self.margins = margins
  }

  /// Tests a mean difference within `−margin...margin`.
  ///
  /// - Parameters:
  ///   - estimate: A mean of paired differences, clustered or not.
  ///   - margin: Positive and finite, in its unit.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(_ estimate: MeanEstimate, margin: Double) throws(StatisticsError) {
    try requirePositive(margin, "The margin")
    try self.init(estimate, within: -margin...margin)
  }

  /// Tests a difference of accuracies within `−margin...margin`.
  ///
  /// - Parameters:
  ///   - outcomes: Right and wrong answers of both models.
  ///   - margin: Between 0 and 1.
  /// - Throws: ``StatisticsError/outside(_:value:allowed:)``.
  public init(_ outcomes: PairedOutcomes, margin: Double) throws(StatisticsError) {
    try requirePositive(margin, "The margin")
    try self.init(outcomes, within: -margin...margin)
  }

  private static func check(
    _ margins: ClosedRange<Double>, limit: Double
  ) throws(StatisticsError) {
    let (lower, upper) = (margins.lowerBound, margins.upperBound)
    guard lower < upper, lower > -limit, upper < limit else {
      throw .outside(
        "The margin", value: "\(lower)...\(upper)",
        allowed: limit == 1 ? "of some width within -1...1" : "finite and of some width")
    }
  }
}
