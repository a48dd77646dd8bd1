import Statistics

/// How an offspring is changed.
public enum Mutation: String, Sendable, Equatable, Codable, CaseIterable {
  /// One item is raised by one level, another is lowered by one.
  case `switch`
  /// One item gets another level, all others being as likely.
  case redraw
  /// One item is raised or lowered by one level.
  case neighbour
}

extension Draft {
  /// Items drawn to get back within the limits after a change.
  private static let repairTries = 32

  /// Makes one change; where it breaks a limit, random items are lowered until it holds, and where
  /// that fails, nothing is changed.
  ///
  /// - Returns: Whether the plan was changed and all bounds hold.
  mutating func mutate(_ kind: Mutation, using random: inout SeededGenerator) -> Bool {
    let start = mark
    let changed =
      switch kind {
      case .switch: switchLevels(using: &random)
      case .redraw: redraw(using: &random)
      case .neighbour: step(using: &random)
      }
    guard changed, violated == 0 || repair(tries: Self.repairTries, using: &random) else {
      undo(to: start)
      return false
    }
    return true
  }

  private mutating func switchLevels(using random: inout SeededGenerator) -> Bool {
    let (raised, lowered) = (random.below(bounds.items), random.below(bounds.items))
    guard raised != lowered, levels[lowered] > 0,
      Int(levels[raised]) + 1 < bounds.levels[raised]
    else { return false }
    set(raised, to: Int(levels[raised]) + 1)
    set(lowered, to: Int(levels[lowered]) - 1)
    return true
  }

  private mutating func redraw(using random: inout SeededGenerator) -> Bool {
    let item = random.below(bounds.items)
    guard bounds.levels[item] > 1 else { return false }
    let level = random.below(bounds.levels[item] - 1)
    set(item, to: level < Int(levels[item]) ? level : level + 1)
    return true
  }

  private mutating func step(using random: inout SeededGenerator) -> Bool {
    let item = random.below(bounds.items)
    let level = Int(levels[item]) + (random.below(2) == 0 ? -1 : 1)
    guard level >= 0, level < bounds.levels[item] else { return false }
    set(item, to: level)
    return true
  }
}
