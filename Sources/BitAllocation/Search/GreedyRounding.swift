/// Turns any choice of levels into an admissible plan without drawing, losses deciding.
struct GreedyRounding: Sendable {
  let problem: ChoiceProblem
  /// Both loops end by themselves where costs are monotone; elsewhere this ends them.
  private static let passes = 64

  private struct Change {
    var item: Int
    var level: Int
    /// Smaller first.
    var rank: Double
  }

  private func loss(_ item: Int, _ level: Int) -> Double {
    problem.loss[problem.first[item] + level]
  }

  /// Makes the changes that lose least per unit of excess they remove, bound by bound.
  ///
  /// - Returns: Whether all bounds hold now.
  func repair(_ draft: inout Draft) -> Bool {
    for _ in 0..<Self.passes {
      guard let index = draft.firstViolated else { return true }
      var changes: [Change] = []
      for item in draft.bounds.members[index].lazy.map(Int.init) {
        let now = loss(item, Int(draft.levels[item]))
        for level in 0..<draft.bounds.levels[item] {
          let relief = draft.relief(of: index, by: item, at: level)
          guard relief > 0, draft.allows(item, at: level) else { continue }
          changes.append(
            Change(item: item, level: level, rank: (loss(item, level) - now) / Double(relief)))
        }
      }
      let capacity = draft.bounds.capacities[index]
      guard apply(changes, to: &draft, while: { $0.sums[index] > capacity }) else { return false }
    }
    return draft.violated == 0
  }

  /// Makes the changes that save most per share of what is left of the budgets, while any fits.
  func fill(_ draft: inout Draft) {
    for _ in 0..<Self.passes {
      var changes: [Change] = []
      for item in 0..<draft.bounds.items {
        let now = loss(item, Int(draft.levels[item]))
        for level in 0..<draft.bounds.levels[item] {
          let saving = now - loss(item, level)
          guard saving > 0, draft.allows(item, at: level) else { continue }
          changes.append(
            Change(
              item: item, level: level, rank: -saving / draft.pressure(of: item, at: level)))
        }
      }
      guard apply(changes, to: &draft, while: { _ in true }) else { return }
    }
  }

  /// In order of rank, at most one change per item; returns whether any was made.
  private func apply(
    _ changes: [Change], to draft: inout Draft, while isNeeded: (Draft) -> Bool
  ) -> Bool {
    var touched = [Bool](repeating: false, count: draft.bounds.items)
    var changed = false
    let ordered = changes.sorted { ($0.rank, $0.item, $0.level) < ($1.rank, $1.item, $1.level) }
    for change in ordered where !touched[change.item] {
      guard isNeeded(draft) else { break }
      guard draft.allows(change.item, at: change.level) else { continue }
      draft.set(change.item, to: change.level)
      touched[change.item] = true
      changed = true
    }
    return changed
  }
}

extension Draft {
  /// Σ over bounds of what a change takes, as a share of what is left; above 0.
  fileprivate func pressure(of item: Int, at level: Int) -> Double {
    var sum = Double.leastNormalMagnitude
    for slot in bounds.slots[item]..<bounds.slots[item + 1] {
      let index = Int(bounds.bound[slot])
      let taken = -relief(of: index, by: item, at: level)
      if taken > 0 { sum += Double(taken) / Double(bounds.capacities[index] - sums[index]) }
    }
    return sum
  }
}
