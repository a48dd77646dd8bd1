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
/// Sums only ever gain terms: a loss of 10¹² that is taken back would leave its rounding behind.
private struct DualSearch {
  struct Side {
    var loss = 0.0
    var cost: Int64 = 0

    mutating func add(_ loss: Double, _ cost: Int64) {
      self.loss += loss
      self.cost += cost
    }

    func value(at λ: Double, capacity: Int64) -> Double { loss + λ * Double(cost - capacity) }
  }

  let knapsack: Knapsack
  private(set) var cheap = Side()
  private(set) var dear = Side()
  /// What the items that are no longer active sum to.
  private var decided = Side()
  private(set) var cheapChoice: [UInt8]
  private(set) var dearChoice: [UInt8]
  private(set) var active: [Int32] = []
  private(set) var price = 0.0
  private(set) var bound = 0.0

  init(_ knapsack: Knapsack) {
    self.knapsack = knapsack
    let items = knapsack.items
    var (cheapChoice, dearChoice) = ([UInt8](repeating: 0, count: items), [UInt8]())
    dearChoice = cheapChoice
    var (cheap, dear, decided, active) = (Side(), Side(), Side(), [Int32]())
    knapsack.loss.withUnsafeBufferPointer { loss in
      knapsack.cost.withUnsafeBufferPointer { cost in
        for item in 0..<items {
          let start = knapsack.first[item]
          var (low, best) = (start, start)
          for choice in start..<knapsack.first[item + 1] {
            if (cost[choice], loss[choice]) < (cost[low], loss[low]) { low = choice }
            if (loss[choice], cost[choice]) < (loss[best], cost[best]) { best = choice }
          }
          cheap.add(loss[low], cost[low])
          dear.add(loss[best], cost[best])
          cheapChoice[item] = UInt8(truncatingIfNeeded: low - start)
          dearChoice[item] = UInt8(truncatingIfNeeded: best - start)
          if low == best {
            decided.add(loss[low], cost[low])
          } else {
            active.append(Int32(item))
          }
        }
      }
    }
    (self.cheap, self.dear, self.decided) = (cheap, dear, decided)
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
      if active.count > 512 {
        let before = active.count
        _ = step(at: sampledSlope() ?? chord)
        if active.count < before { continue }
      }
      price = chord
      let (before, sides) = (active.count, (cheap.cost, dear.cost))
      bound = step(at: price)
      // No vertex below the chord between the two sides: the chord is the dual at its maximum.
      if active.count == before, sides == (cheap.cost, dear.cost) { return }
    }
  }

  /// The slope between the two sides.
  private var chord: Double {
    max((cheap.loss - dear.loss) / Double(dear.cost - cheap.cost), 0)
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
  /// both sides at λ or lie between them.
  ///
  /// - Returns: L(λ).
  private mutating func step(at λ: Double) -> Double {
    var middle = [UInt8](repeating: 0, count: active.count)
    var (low, side, high) = (decided, decided, decided)
    knapsack.loss.withUnsafeBufferPointer { losses in
      knapsack.cost.withUnsafeBufferPointer { costs in
        for (position, item) in active.enumerated() {
          let item = Int(item)
          let start = knapsack.first[item]
          let (cheapest, dearest) = (start + Int(cheapChoice[item]), start + Int(dearChoice[item]))
          var best = cheapest
          var value = losses[best] + λ * Double(costs[best])
          // A tie stays with the cheap side.
          let margin = abs(value) * 1e-15
          for choice in start..<knapsack.first[item + 1] where choice != cheapest {
            let other = losses[choice] + λ * Double(costs[choice])
            if other < value - margin { (best, value) = (choice, other) }
          }
          middle[position] = UInt8(truncatingIfNeeded: best - start)
          low.add(losses[cheapest], costs[cheapest])
          side.add(losses[best], costs[best])
          high.add(losses[dearest], costs[dearest])
        }
      }
    }
    (cheap, dear) = (low, high)
    let capacity = knapsack.capacity
    let value = side.value(at: λ, capacity: capacity)
    let line = min(low.value(at: λ, capacity: capacity), high.value(at: λ, capacity: capacity))
    if value < line - abs(line) * 1e-15 || side.cost > cheap.cost && side.cost < dear.cost {
      replace(by: side, middle)
    }
    return min(value, line)
  }

  /// Puts a side in the place of the one that it is on, and settles the items that now agree.
  private mutating func replace(by side: Side, _ middle: [UInt8]) {
    if side.cost <= knapsack.capacity {
      cheap = side
      for (position, item) in active.enumerated() { cheapChoice[Int(item)] = middle[position] }
    } else {
      dear = side
      for (position, item) in active.enumerated() { dearChoice[Int(item)] = middle[position] }
    }
    var undecided: [Int32] = []
    for item in active {
      let choice = cheapChoice[Int(item)]
      if choice == dearChoice[Int(item)] {
        let index = knapsack.first[Int(item)] + Int(choice)
        decided.add(knapsack.loss[index], knapsack.cost[index])
      } else {
        undecided.append(item)
      }
    }
    active = undecided
  }
}
