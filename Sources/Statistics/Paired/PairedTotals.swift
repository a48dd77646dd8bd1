import Foundation

/// Both models' sums over some items, and what they are divided by.
struct PairedTotals {
  var candidate = 0.0
  var baseline = 0.0
  var weight = 0.0

  static func + (a: PairedTotals, b: PairedTotals) -> PairedTotals {
    PairedTotals(
      candidate: a.candidate + b.candidate, baseline: a.baseline + b.baseline,
      weight: a.weight + b.weight)
  }

  static func - (a: PairedTotals, b: PairedTotals) -> PairedTotals {
    PairedTotals(
      candidate: a.candidate - b.candidate, baseline: a.baseline - b.baseline,
      weight: a.weight - b.weight)
  }

  static func perCluster(
    _ candidate: [Double], _ baseline: [Double], _ weights: [Double], _ clusters: Clusters
  ) -> [PairedTotals] {
    let (first, second) = (clusters.sums(candidate), clusters.sums(baseline))
    let divisors = clusters.sums(weights)
    return (0..<clusters.count).map {
      PairedTotals(candidate: first[$0], baseline: second[$0], weight: divisors[$0])
    }
  }

  /// The sum of as many clusters as there are, drawn with replacement.
  static func resampled(
    _ totals: [PairedTotals], using random: inout SeededGenerator
  ) -> PairedTotals {
    var sum = PairedTotals()
    for _ in totals.indices { sum = sum + totals[random.below(totals.count)] }
    return sum
  }

  func value(of statistic: PairedBootstrap.Statistic) -> Double {
    // Sums are subtracted before they are divided, so that a constant difference stays constant.
    switch statistic {
    case .difference: (candidate - baseline) / weight
    case .ratio: candidate / baseline
    case .perplexityDifference: exp(candidate / weight) - exp(baseline / weight)
    case .perplexityRatio: exp((candidate - baseline) / weight)
    }
  }
}
