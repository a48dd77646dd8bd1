/// Whether two models differ in accuracy on the same items.
///
/// Without a difference each discordant item falls on either side with probability ½, so that
/// `K ~ Binomial(discordant, ½)`; items that both get right or wrong carry no evidence.
/// - SeeAlso: McNemar 1947, doi:10.1007/BF02295996; Fagerland, Lydersen and Laake 2013, "The McNemar
///   test for binary matched-pairs data: mid-p and asymptotic are better than exact conditional",
///   doi:10.1186/1471-2288-13-91.
public struct McNemarTest: Sendable, Equatable {
  /// `min(1, 2 P(K ≤ min(gained, lost)))`; never rejects too often.
  public let exactP: Double
  /// `2 P(K < k) + P(K = k)` at `k = min(gained, lost)`: less conservative, may exceed α slightly.
  public let midP: Double

  public init(_ outcomes: PairedOutcomes) {
    let smaller = min(outcomes.gained, outcomes.lost)
    guard outcomes.gained != outcomes.lost else {
      exactP = 1
      midP = 1
      return
    }
    let tail = Self.halves(outcomes.discordant).cumulative(smaller)
    exactP = min(1, 2 * tail)
    midP = min(1, 2 * tail - Self.halves(outcomes.discordant).mass(smaller))
  }

  private static func halves(_ trials: Int) -> BinomialDistribution {
    // Counts are not negative and ½ is a probability, so this cannot throw.
    try! BinomialDistribution(trials: trials, probability: 0.5)
  }
}
