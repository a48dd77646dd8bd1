/// The maximum of the Lagrangian dual of a knapsack and the choices that attain it.
///
///     L(λ) = Σ_i min_c (loss[c] + λ·cost[c]) − λ·capacity,   λ ≥ 0
///
/// Its maximum is the value of the linear relaxation, hence a bound below every plan; λ is the
/// loss that one more unit of cost would save.
/// - SeeAlso: Sinha and Zoltners 1979, "The multiple-choice knapsack problem",
///   doi:10.1287/opre.27.3.503.
struct LagrangianDual: Sendable {
  /// λ*: loss per unit of cost.
  let price: Double
  /// L(λ*).
  let bound: Double
  /// Minimizers at λ* whose cost is within the capacity.
  let choice: [UInt8]
  /// Σ loss and Σ cost of `choice`.
  let loss: Double
  let cost: Int64
  /// Items for which a dearer choice is as good at λ*.
  let undecided: [Int32]
  /// The dearer minimizers, whose cost is above the capacity; equal to `choice` where decided.
  let dearer: [UInt8]

  /// nil if even the cheapest choices cost more than the capacity.
  init?(_ knapsack: Knapsack) {
    var search = DualSearch(knapsack)
    guard search.cheap.cost <= knapsack.capacity else { return nil }
    search.narrow()
    price = search.price
    bound = search.bound
    choice = search.cheapChoice
    loss = search.cheap.loss
    cost = search.cheap.cost
    undecided = search.active
    dearer = search.dearChoice
  }
}

/// Two minimizers on either side of λ*, brought together.
///
/// An item whose choice is the same on both sides keeps it in between, so that each step looks at
/// fewer items; pivots are medians of sampled slopes, as in quickselect, and at the end the slope
/// between the two sides themselves (Kelley's cutting plane in one dimension), which is exact.
private struct DualSearch {
  struct Side {
    var loss: Double
    var cost: Int64
  }

  let knapsack: Knapsack
  private(set) var cheap: Side
  private(set) var dear: Side
  private(set) var cheapChoice: [UInt8]
  private(set) var dearChoice: [UInt8]
  private(set) var active: [Int32]
  private(set) var price = 0.0
  private(set) var bound = 0.0

  init(_ knapsack: Knapsack) {
    self.knapsack = knapsack
    let items = knapsack.items
    var (cheap, dear) = (Side(loss: 0, cost: 0), Side(loss: 0, cost: 0))
    var (cheapChoice, dearChoice) = ([UInt8](repeating: 0, count: items), [UInt8]())
    dearChoice = cheapChoice
    var active: [Int32] = []
    knapsack.loss.withUnsafeBufferPointer { loss in
      knapsack.cost.withUnsafeBufferPointer { cost in
        for item in 0..<items {
          let start = knapsack.first[item]
          var (low, best) = (start, start)
          for choice in start..<knapsack.first[item + 1] {
            if (cost[choice], loss[choice]) < (cost[low], loss[low]) { low = choice }
            if (loss[choice], cost[choice]) < (loss[best], cost[best]) { best = choice }
          }
          cheap.loss += loss[low]
          cheap.cost += cost[low]
          dear.loss += loss[best]
          dear.cost += cost[best]
          cheapChoice[item] = UInt8(truncatingIfNeeded: low - start)
          dearChoice[item] = UInt8(truncatingIfNeeded: best - start)
          if low != best { active.append(Int32(item)) }
        }
      }
    }
    (self.cheap, self.dear) = (cheap, dear)
    (self.cheapChoice, self.dearChoice) = (cheapChoice, dearChoice)
    self.active = active
  }

  mutating func narrow() {
    guard dear.cost > knapsack.capacity else {
      // The capacity does not bind: everything at its best, λ* = 0.
      (cheap, cheapChoice, active) = (dear, dearChoice, [])
      bound = dear.loss
      return
    }
    while true {
      let chord = (cheap.loss - dear.loss) / Double(dear.cost - cheap.cost)
      if active.count > 512 {
        let before = active.count
        step(at: sampledSlope() ?? chord)
        if active.count < before { continue }
      }
      price = (cheap.loss - dear.loss) / Double(dear.cost - cheap.cost)
      bound = cheap.loss + price * Double(cheap.cost - knapsack.capacity)
      let (before, sides) = (active.count, (cheap.cost, dear.cost))
      step(at: price)
      // No vertex below the chord between the two sides: the chord is the dual at its maximum.
      if active.count == before, sides == (cheap.cost, dear.cost) { return }
    }
  }

  /// The median slope of some sixty active items.
  private func sampledSlope() -> Double? {
    let stride = max(active.count / 63, 1)
    var slopes: [Double] = []
    for position in Swift.stride(from: stride / 2, to: active.count, by: stride) {
      let item = Int(active[position])
      let start = knapsack.first[item]
      let (low, high) = (start + Int(cheapChoice[item]), start + Int(dearChoice[item]))
      slopes.append(
        (knapsack.loss[low] - knapsack.loss[high])
          / Double(knapsack.cost[high] - knapsack.cost[low]))
    }
    slopes.sort()
    let slope = slopes[slopes.count / 2]
    return slope.isFinite && slope > 0 ? slope : nil
  }

  /// Minimizers at λ take the place of the side on which their cost lies, if they are better than
  /// both sides at λ.
  private mutating func step(at λ: Double) {
    var fixed = cheap
    var middle = [UInt8](repeating: 0, count: active.count)
    var (loss, cost) = (0.0, Int64(0))
    knapsack.loss.withUnsafeBufferPointer { losses in
      knapsack.cost.withUnsafeBufferPointer { costs in
        for (position, item) in active.enumerated() {
          let item = Int(item)
          let start = knapsack.first[item]
          let low = start + Int(cheapChoice[item])
          var best = low
          var value = losses[low] + λ * Double(costs[low])
          let margin = abs(value) * 1e-15
          for choice in start..<knapsack.first[item + 1] where choice != low {
            let other = losses[choice] + λ * Double(costs[choice])
            // A tie stays with the cheap side, or with the dear one once that is strictly better.
            if other < value - margin { (best, value) = (choice, other) }
          }
          middle[position] = UInt8(truncatingIfNeeded: best - start)
          loss += losses[best]
          cost += costs[best]
          fixed.loss -= losses[low]
          fixed.cost -= costs[low]
        }
      }
    }
    let side = Side(loss: fixed.loss + loss, cost: fixed.cost + cost)
    let value = side.loss + λ * Double(side.cost)
    let line = min(
      cheap.loss + λ * Double(cheap.cost), dear.loss + λ * Double(dear.cost))
    guard value < line - abs(line) * 1e-15 || side.cost > cheap.cost && side.cost < dear.cost
    else { return }
    if side.cost <= knapsack.capacity {
      cheap = side
      for (position, item) in active.enumerated() { cheapChoice[Int(item)] = middle[position] }
    } else {
      dear = side
      for (position, item) in active.enumerated() { dearChoice[Int(item)] = middle[position] }
    }
    active.removeAll { cheapChoice[Int($0)] == dearChoice[Int($0)] }
  }
}
