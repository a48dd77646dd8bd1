/// A multiple-choice knapsack in numbers: one choice for every item, least loss, bounded cost.
///
///     minimize Σ loss[c(i)]   subject to   Σ cost[c(i)] ≤ capacity,
///     c(i) in first[i] ..< first[i + 1]
///
/// Losses need not fall with cost. Costs are whole numbers, so that sums and comparisons are exact.
struct Knapsack: Sendable {
  /// Where the choices of each item start, and the end of the last: items + 1 values.
  var first: [Int]
  /// One value per choice.
  var loss: [Double]
  /// One value per choice.
  var cost: [Int64]
  var capacity: Int64

  var items: Int { first.count - 1 }

  /// What a choice for every item sums to; `choice` counts from the item's first.
  func total(of choice: [UInt8]) -> (loss: Double, cost: Int64) {
    var (loss, cost) = (0.0, Int64(0))
    for item in 0..<items {
      loss += self.loss[first[item] + Int(choice[item])]
      cost += self.cost[first[item] + Int(choice[item])]
    }
    return (loss, cost)
  }
}
