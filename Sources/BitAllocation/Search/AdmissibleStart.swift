import Statistics

/// Where the first plans of a search come from.
public enum Initialisation: Sendable, Equatable {
  /// Levels drawn uniformly, then random items lowered until every limit holds; what that leaves of
  /// a budget stays unspent.
  case random
  /// All at their first level, what is required drawn, then random items raised by one level each
  /// while it fits.
  case fill
  /// EvoPress: the lowest uniform level that is over the limits, then random items lowered until
  /// they hold. A uniform plan that uses a limit up is taken as it is.
  case ceiling
  /// These plans, filled ones after them if they are too few.
  case given([[UInt8]])
}

extension Draft {
  /// Changes random items until every bound holds.
  ///
  /// Under a bound that does not hold, a random item is lowered by one level; where that does not
  /// help, it gets a random level that does. Bounds that hold are kept.
  ///
  /// - Parameters:
  ///   - tries: Items drawn at most.
  ///   - random: Drawn from.
  /// - Returns: Whether all bounds hold now.
  mutating func repair(tries: Int, using random: inout SeededGenerator) -> Bool {
    var left = tries
    while violated > 0, left > 0, let index = firstViolated {
      left -= 1
      guard !bounds.members[index].isEmpty else { return false }
      let item = Int(bounds.members[index][random.below(bounds.members[index].count)])
      var level = Int(levels[item]) - 1
      if level < 0 || !helps(index, item, level) {
        level = random.below(bounds.levels[item])
        guard helps(index, item, level) else { continue }
      }
      set(item, to: level)
    }
    return violated == 0
  }

  private func helps(_ index: Int, _ item: Int, _ level: Int) -> Bool {
    relief(of: index, by: item, at: level) > 0 && allows(item, at: level)
  }

  /// Raises random items by one level while it fits.
  mutating func fill(using random: inout SeededGenerator) {
    var open = (0..<bounds.items).filter { bounds.levels[$0] > 1 }
    while !open.isEmpty {
      let place = random.below(open.count)
      let (item, next) = (open[place], Int(levels[open[place]]) + 1)
      if next < bounds.levels[item], allows(item, at: next) {
        set(item, to: next)
      } else {
        open.swapAt(place, open.count - 1)
        open.removeLast()
      }
    }
  }
}

/// Makes admissible plans for a problem.
struct AdmissibleStart: Sendable {
  let problem: ChoiceProblem
  let bounds: Bounds
  private let tries: Int
  private static let attempts = 64

  init(_ problem: ChoiceProblem, _ bounds: Bounds) {
    (self.problem, self.bounds) = (problem, bounds)
    tries = 100 + 20 * problem.loss.count
  }

  /// So many plans, all admissible.
  ///
  /// - Throws: ``SearchError/noAdmissibleStart(attempts:unmet:)`` or
  ///   ``SearchError/unusablePlan(number:reason:)``.
  func plans(
    _ count: Int, _ initialisation: Initialisation, using random: inout SeededGenerator
  ) throws(SearchError) -> [[UInt8]] {
    guard bounds.items > 0 else { throw .noItems }
    var plans: [[UInt8]] = []
    if case .given(let given) = initialisation {
      for (number, plan) in given.enumerated() { try check(plan, number) }
      plans = Array(given.prefix(count))
    }
    let uniform = initialisation == .ceiling ? uniformPlan() : nil
    while plans.count < count {
      switch initialisation {
      case .random: plans.append(try drawn(using: &random))
      case .ceiling:
        if let uniform { plans.append(uniform) } else { plans.append(try lowered(using: &random)) }
      case .fill, .given: plans.append(try filled(using: &random))
      }
    }
    return plans
  }

  func filled(using random: inout SeededGenerator) throws(SearchError) -> [UInt8] {
    var draft = Draft(bounds)
    for _ in 0..<Self.attempts {
      draft.load([UInt8](repeating: 0, count: bounds.items))
      guard draft.repair(tries: tries, using: &random) else { continue }
      draft.fill(using: &random)
      return draft.levels
    }
    throw .noAdmissibleStart(attempts: Self.attempts, unmet: unmet(by: draft))
  }

  private func drawn(using random: inout SeededGenerator) throws(SearchError) -> [UInt8] {
    var draft = Draft(bounds)
    draft.load(bounds.levels.map { UInt8(truncatingIfNeeded: random.below($0)) })
    if draft.repair(tries: tries, using: &random) { return draft.levels }
    return try filled(using: &random)
  }

  /// From the lowest uniform level that is over a limit.
  private func lowered(using random: inout SeededGenerator) throws(SearchError) -> [UInt8] {
    var draft = Draft(bounds)
    for level in 0..<(bounds.levels.max() ?? 1) {
      draft.load(uniform(level))
      if draft.violated > 0 { break }
    }
    if draft.repair(tries: tries, using: &random) { return draft.levels }
    return try filled(using: &random)
  }

  /// The highest admissible uniform plan, if it leaves no room for one more level of any item.
  private func uniformPlan() -> [UInt8]? {
    var draft = Draft(bounds)
    for level in (0..<(bounds.levels.max() ?? 1)).reversed() {
      draft.load(uniform(level))
      guard draft.violated == 0 else { continue }
      let isFull = bounds.levels.indices.allSatisfy { item in
        let next = Int(draft.levels[item]) + 1
        return next >= bounds.levels[item] || !draft.allows(item, at: next)
      }
      return isFull ? draft.levels : nil
    }
    return nil
  }

  private func uniform(_ level: Int) -> [UInt8] {
    bounds.levels.map { UInt8(truncatingIfNeeded: min(level, $0 - 1)) }
  }

  private func check(_ plan: [UInt8], _ number: Int) throws(SearchError) {
    if let reason = problem.whyNot(plan, bounds) {
      throw .unusablePlan(number: number, reason: reason)
    }
  }

  private func unmet(by draft: Draft) -> String {
    draft.firstViolated.map(problem.condition) ?? "unknown"
  }
}

extension ChoiceProblem {
  /// Why a plan from outside cannot be used; nil: it can.
  func whyNot(_ plan: [UInt8], _ bounds: Bounds) -> String? {
    guard plan.count == items else { return "it has \(plan.count) levels for \(items) items" }
    if let item = plan.indices.first(where: { plan[$0] >= bounds.levels[$0] }) {
      return "item \(item) has \(bounds.levels[item]) levels, level \(plan[item]) counted from 0 "
        + "is not one of them"
    }
    var draft = Draft(bounds)
    draft.load(plan)
    return draft.firstViolated.map { "it does not meet \(condition($0))" }
  }

  /// A bound in words.
  fileprivate func condition(_ index: Int) -> String {
    guard index >= limits.count else { return "limit \(limits[index].name)" }
    let requirement = requirements[index - limits.count]
    return "the requirement of \(requirement.atLeast) units at \(number(requirement.bits)) bits"
      + (requirement.scope.map { " in scope \($0)" } ?? "")
  }
}
