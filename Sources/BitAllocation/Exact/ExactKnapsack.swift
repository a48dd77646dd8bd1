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

  /// nil if no choices are within the capacity.
  ///
  /// - Parameters:
  ///   - knapsack: The problem.
  ///   - stateLimit: States of the dynamic program that may be held.
  init?(_ knapsack: Knapsack, stateLimit: Int = 1 << 24) {
    guard let dual = LagrangianDual(knapsack) else { return nil }
    self.dual = dual
    var filled = FilledChoice(knapsack, dual)
    filled.fill()
    var choice = filled.choice
    var loss = knapsack.total(of: choice).loss
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
  private var slack: Int64

  init(_ knapsack: Knapsack, _ dual: LagrangianDual) {
    (self.knapsack, self.dual) = (knapsack, dual)
    choice = dual.choice
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
    var rounds = knapsack.items > 100_000 ? 8 : 64
    while slack > 0, rounds > 0, let best = bestChange() {
      set(best.item, to: best.choice)
      rounds -= 1
    }
  }

  private mutating func set(_ item: Int, to new: UInt8) {
    let start = knapsack.first[item]
    let (old, next) = (start + Int(choice[item]), start + Int(new))
    slack -= knapsack.cost[next] - knapsack.cost[old]
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
    /// Index into the options of the item being added, not yet a step; -1: none.
    var pending: Int32
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
    var states = [State(cost: 0, reduced: 0, last: -1, pending: -1)]
    var best: Int32?
    for (position, item) in items.enumerated() {
      // What was found on the way may have settled all items to come.
      guard item.options.contains(where: { $0.reduced < excess }) else { break }
      let rest = items.count - position - 1
      states = extended(states, by: item, saves: saves[rest], spends: spends[rest])
      for index in states.indices where states[index].pending >= 0 {
        let option = item.options[Int(states[index].pending)]
        steps.append(
          Step(previous: states[index].last, item: Int32(item.item), choice: option.choice))
        states[index].last = Int32(steps.count - 1)
        states[index].pending = -1
      }
      // Of undominated states the dearest that fits loses least.
      if let last = states.last(where: { $0.cost <= slack }) {
        let reached = last.reduced + dual.price * Double(slack - last.cost)
        if reached < excess { (excess, best) = (reached, last.last) }
      }
      guard steps.count + states.count < stateLimit else {
        complete = false
        break
      }
    }
    return best.map(choices(endingWith:))
  }

  /// The states with one more item, by rising cost, each losing less than all cheaper ones.
  ///
  /// Each option shifts the whole list, so that the new list is a merge of sorted ones.
  private func extended(
    _ states: [State], by item: CoreItem, saves: Int64, spends: Int64
  ) -> [State] {
    let stay = Option(choice: 0, cost: 0, reduced: 0)
    let moves = [stay] + item.options
    var heads = moves.map { _ in 0 }
    var kept: [State] = []
    kept.reserveCapacity(states.count * 2)
    var least = Double.infinity
    while true {
      var from = -1
      var (cost, reduced) = (Int64.max, Double.infinity)
      for move in moves.indices where heads[move] < states.count {
        let state = states[heads[move]]
        let (moved, lost) = (state.cost + moves[move].cost, state.reduced + moves[move].reduced)
        if from < 0 || moved < cost || (moved == cost && lost < reduced) {
          (from, cost, reduced) = (move, moved, lost)
        }
      }
      guard from >= 0 else { return kept }
      let state = states[heads[from]]
      heads[from] += 1
      let loss = reduced - dual.price * Double(cost)
      let new = State(
        cost: cost, reduced: reduced, last: state.last, pending: Int32(from - 1))
      guard loss < least, isPromising(new, saves, spends) else { continue }
      least = loss
      kept.append(new)
    }
  }

  /// Whether the items to come may still make it fit and better than the best known.
  private func isPromising(_ state: State, _ saves: Int64, _ spends: Int64) -> Bool {
    guard state.cost - saves <= slack else { return false }
    let unspent = max(slack - state.cost - spends, 0)
    return state.reduced + dual.price * Double(unspent) < excess
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
