/// Whether two methods differ over a handful of tasks or models, by the ranks of the differences.
///
/// `W⁺` is the sum of the ranks of `|d|` over positive `d`; differences of 0 are left out, equal sizes
/// share their rank. Without an effect every sign is ± with probability ½. Up to 200 differences the
/// p-value counts all sign patterns, ties included; beyond, it is normal with the variance of ties.
/// - SeeAlso: Wilcoxon 1945, doi:10.2307/3001968; Demšar 2006, "Statistical comparisons of classifiers
///   over multiple data sets".
public struct SignedRankTest: Sendable, Equatable {
  /// Differences that are not 0.
  public let count: Int
  /// `W⁺`.
  public let positiveRankSum: Double
  /// Two-sided; 1 where all differences are 0.
  public let pValue: Double
  /// Whether all sign patterns were counted.
  public let isExact: Bool

  private static let largestExactCount = 200

  /// Ranks candidate − baseline.
  ///
  /// - Parameters:
  ///   - candidate: Finite, one per task.
  ///   - baseline: The same tasks in the same order.
  /// - Throws: ``StatisticsError`` for fewer than two tasks, unequal lengths or NaN.
  /// - Complexity: O(count³) up to 200 differences.
  public init(candidate: [Double], baseline: [Double]) throws(StatisticsError) {
    let differences = try pairedDifferences(candidate, baseline).filter { $0 != 0 }
    let ranks = averageRanks(differences.map { abs($0) })
    let sum = zip(differences, ranks).reduce(0) { $1.0 > 0 ? $0 + $1.1 : $0 }
    count = differences.count
    positiveRankSum = sum
    isExact = count <= Self.largestExactCount
    if differences.isEmpty {
      pValue = 1
    } else {
      pValue = isExact ? Self.exactP(ranks, sum) : Self.normalP(ranks, sum)
    }
  }

  /// Twice the share of sign patterns with a sum at most as large as the smaller of both sums.
  private static func exactP(_ ranks: [Double], _ sum: Double) -> Double {
    // Ranks are multiples of ½; doubled, they index a table.
    let steps = ranks.map { Int(2 * $0) }
    let total = steps.reduce(0, +)
    var chances = [Double](repeating: 0, count: total + 1)
    chances[0] = 1
    for step in steps {
      for place in stride(from: total, through: 0, by: -1) {
        let with = place >= step ? chances[place - step] : 0
        chances[place] = (chances[place] + with) / 2
      }
    }
    let smaller = min(Int(2 * sum), total - Int(2 * sum))
    return min(1, 2 * chances[...smaller].reduce(0, +))
  }

  /// `Var W⁺ = Σ r² / 4`, which holds for ties too.
  private static func normalP(_ ranks: [Double], _ sum: Double) -> Double {
    let mean = ranks.reduce(0, +) / 2
    let variance = ranks.reduce(0) { $0 + $1 * $1 } / 4
    return 2 * StandardNormal.upperTail(abs(sum - mean) / variance.squareRoot())
  }
}
