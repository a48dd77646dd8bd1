/// The optimum of a multiple-choice knapsack, with proof.
///
/// 1. The Lagrangian dual gives a bound, and choices within the capacity close to it.
/// 2. Spending what they leave over gives an upper bound.
/// 3. A choice whose reduced loss at λ* is above the difference cannot be part of a better plan.
///    What is left, the core, is searched by dynamic programming over (cost, loss), states that
///    cost more and lose more than another being dropped.
///
/// - SeeAlso: Pisinger 1995, "A minimal algorithm for the multiple-choice knapsack problem",
///   doi:10.1016/0377-2217(95)00015-I.
struct ExactKnapsack: Sendable {
  /// Counts from the first choice of each item.
  let choice: [UInt8]
  let loss: Double
  let cost: Int64
  let dual: LagrangianDual
  /// Whether no plan is better; false only if the core was too large to search.
  let proven: Bool

  /// - Parameter stateLimit: States of the dynamic program that may be held.
  /// - Returns: nil if no choices are within the capacity.
  init?(_ knapsack: Knapsack, stateLimit: Int = 1 << 24) {
    guard let dual = LagrangianDual(knapsack) else { return nil }
    self.dual = dual
    var filled = FilledChoice(knapsack, dual)
    filled.fill()
    var (choice, loss) = (filled.choice, filled.loss)
    let tolerance = max(abs(dual.bound), abs(loss)) * 1e-13
    var proven = loss - dual.bound <= tolerance
    if !proven {
      var core = CoreProgram(knapsack, dual, excess: loss - dual.bound, stateLimit: stateLimit)
      if let better = core.solve() {
        choice = better
        loss = knapsack.total(of: better).loss
      }
      proven = core.complete
    }
    self.choice = choice
    let total = knapsack.total(of: choice)
    self.loss = total.loss
    cost = total.cost
    self.proven = proven
  }
}

/// Choices near the dual's, with what they leave of the capacity spent.
private struct FilledChoice {
  let knapsack: Knapsack
  let dual: LagrangianDual
  private(set) var choice: [UInt8]
  private(set) var loss: Double
  private var slack: Int64

  init(_ knapsack: Knapsack, _ dual: LagrangianDual) {
    (self.knapsack, self.dual) = (knapsack, dual)
    (choice, loss) = (dual.choice, dual.loss)
    slack = knapsack.capacity - dual.cost
  }

  mutating func fill() {
    // Undecided items are as good at either choice: the dearest first, while they fit.
    let steps = dual.undecided.map { item -> (item: Int, cost: Int64) in
      let start = knapsack.first[Int(item)]
      let (low, high) = (
        knapsack.cost[start + Int(choice[Int(item)])],
        knapsack.cost[start + Int(dual.dearer[Int(item)])]
      )
      return (Int(item), high - low)
    }.sorted { ($0.cost, $1.item) > ($1.cost, $0.item) }
    for step in steps where step.cost <= slack { set(step.item, to: dual.dearer[step.item]) }
    var rounds = knapsack.items > 100_000 ? 1 : 64
    while slack > 0, rounds > 0, let best = bestChange() {
      set(best.item, to: best.choice)
      rounds -= 1
    }
  }

  private mutating func set(_ item: Int, to new: UInt8) {
    let start = knapsack.first[item]
    let (old, next) = (start + Int(choice[item]), start + Int(new))
    slack -= knapsack.cost[next] - knapsack.cost[old]
    loss += knapsack.loss[next] - knapsack.loss[old]
    choice[item] = new
  }

  /// The change of one item that saves most and fits; nil if none saves.
  private func bestChange() -> (item: Int, choice: UInt8)? {
    var best: (saving: Double, item: Int, choice: UInt8) = (0, -1, 0)
    knapsack.loss.withUnsafeBufferPointer { loss in
      knapsack.cost.withUnsafeBufferPointer { cost in
        for item in 0..<knapsack.items {
          let start = knapsack.first[item]
          let now = start + Int(choice[item])
          for other in start..<knapsack.first[item + 1]
          where loss[now] - loss[other] > best.saving && cost[other] - cost[now] <= slack {
            best = (loss[now] - loss[other], item, UInt8(truncatingIfNeeded: other - start))
          }
        }
      }
    }
    return best.item < 0 ? nil : (best.item, best.choice)
  }
}

/// Dynamic programming over the choices that may be part of a plan better than the best known.
private struct CoreProgram {
  struct Option {
    var choice: UInt8
    var cost: Int64
    /// Above the dual's minimum, at λ*.
    var reduced: Double
  }
  struct CoreItem {
    var item: Int
    var options: [Option]
  }
  struct State {
    /// Above the dual's choices.
    var cost: Int64
    var reduced: Double
    /// Index into `steps`; -1: the dual's choices themselves.
    var last: Int32
  }
  struct Step {
    var previous: Int32
    var item: Int32
    var choice: UInt8
  }

  let dual: LagrangianDual
  let items: [CoreItem]
  let slack: Int64
  let stateLimit: Int
  /// Of the best plan known, above the bound.
  private var excess: Double
  private var steps: [Step] = []
  private(set) var complete = true

  init(_ knapsack: Knapsack, _ dual: LagrangianDual, excess: Double, stateLimit: Int) {
    self.dual = dual
    self.excess = excess
    self.stateLimit = stateLimit
    slack = knapsack.capacity - dual.cost
    var items: [CoreItem] = []
    knapsack.loss.withUnsafeBufferPointer { loss in
      knapsack.cost.withUnsafeBufferPointer { cost in
        for item in 0..<knapsack.items {
          let start = knapsack.first[item]
          let base = start + Int(dual.choice[item])
          var options: [Option] = []
          for other in start..<knapsack.first[item + 1] where other != base {
            let change = cost[other] - cost[base]
            let reduced = max(loss[other] - loss[base] + dual.price * Double(change), 0)
            guard reduced < excess else { continue }
            options.append(
              Option(
                choice: UInt8(truncatingIfNeeded: other - start), cost: change, reduced: reduced))
          }
          if !options.isEmpty { items.append(CoreItem(item: item, options: options)) }
        }
      }
    }
    func ease(_ item: CoreItem) -> Double { item.options.map(\.reduced).min() ?? 0 }
    self.items = items.map { (ease($0), $0) }.sorted { ($0.0, $0.1.item) < ($1.0, $1.1.item) }
      .map(\.1)
  }

  /// Choices better than the best known, or nil.
  mutating func solve() -> [UInt8]? {
    // What the items still to come can save and spend at most.
    var (saves, spends) = ([Int64(0)], [Int64(0)])
    for item in items.reversed() {
      saves.append(saves[saves.count - 1] - min(item.options.map(\.cost).min() ?? 0, 0))
      spends.append(spends[spends.count - 1] + max(item.options.map(\.cost).max() ?? 0, 0))
    }
    var states = [State(cost: 0, reduced: 0, last: -1)]
    var best: Int32?
    for (position, item) in items.enumerated() {
      let rest = items.count - position - 1
      var next: [State] = []
      next.reserveCapacity(states.count * (item.options.count + 1))
      for state in states {
        keep(state, saves[rest], spends[rest], in: &next)
        for option in item.options {
          var changed = State(
            cost: state.cost + option.cost, reduced: state.reduced + option.reduced, last: -1)
          guard isPromising(changed, saves[rest], spends[rest]) else { continue }
          steps.append(
            Step(previous: state.last, item: Int32(item.item), choice: option.choice))
          changed.last = Int32(steps.count - 1)
          next.append(changed)
        }
      }
      states = undominated(next)
      for state in states where state.cost <= slack {
        let reached = state.reduced + dual.price * Double(slack - state.cost)
        if reached < excess { (excess, best) = (reached, state.last) }
      }
      guard steps.count + states.count < stateLimit else {
        complete = false
        break
      }
    }
    return best.map(choices(endingWith:))
  }

  private func keep(
    _ state: State, _ saves: Int64, _ spends: Int64, in states: inout [State]
  ) {
    if isPromising(state, saves, spends) { states.append(state) }
  }

  /// Whether the items to come may still make it fit and better than the best known.
  private func isPromising(_ state: State, _ saves: Int64, _ spends: Int64) -> Bool {
    guard state.cost - saves <= slack else { return false }
    let unspent = max(slack - state.cost - spends, 0)
    return state.reduced + dual.price * Double(unspent) < excess
  }

  /// By rising cost, each losing less than all cheaper ones.
  private func undominated(_ states: [State]) -> [State] {
    func loss(_ state: State) -> Double { state.reduced - dual.price * Double(state.cost) }
    var kept: [State] = []
    var least = Double.infinity
    for state in states.sorted(by: { ($0.cost, $0.reduced) < ($1.cost, $1.reduced) })
    where loss(state) < least {
      least = loss(state)
      kept.append(state)
    }
    return kept
  }

  private func choices(endingWith last: Int32) -> [UInt8] {
    var choice = dual.choice
    var index = last
    while index >= 0 {
      let step = steps[Int(index)]
      choice[Int(step.item)] = step.choice
      index = step.previous
    }
    return choice
  }
}
