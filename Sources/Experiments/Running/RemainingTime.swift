import Synchronization

/// Estimates how long the rest of an experiment takes: each piece of work once, at the median time
/// of earlier executions of its stage.
final class RemainingTime: Sendable {
  private struct State {
    /// Recipe → stage name.
    var open: [String: String]
    var seconds: [String: [Double]]
  }

  private let state: Mutex<State>

  /// - Parameters:
  ///   - open: Recipe → stage name, for what has no artifact yet.
  ///   - seconds: Stage name → seconds of earlier executions.
  init(open: [String: String], seconds: [String: [Double]]) {
    state = Mutex(State(open: open, seconds: seconds))
  }

  func finish(recipe: String, stage: String, builtIn seconds: Double?) {
    state.withLock { state in
      state.open[recipe] = nil
      if let seconds { state.seconds[stage, default: []].append(seconds) }
    }
  }

  /// Forgets work that will not be done, since its point has failed.
  func abandon(recipes: some Sequence<String>) {
    state.withLock { state in
      for recipe in recipes { state.open[recipe] = nil }
    }
  }

  /// Seconds left, nil if a stage that is left was never timed.
  func estimate(during recipe: String? = nil, elapsed: Double = 0, fraction: Double = 0) -> Double?
  {
    state.withLock { state in
      var total = 0.0
      for (open, stage) in state.open where open != recipe {
        guard let seconds = Self.median(state.seconds[stage]) else { return nil }
        total += seconds
      }
      guard let recipe, let stage = state.open[recipe] else { return total }
      if fraction > 0.02 { return total + elapsed * (1 - fraction) / fraction }
      guard let seconds = Self.median(state.seconds[stage]) else { return nil }
      return total + max(0, seconds - elapsed)
    }
  }

  static func median(_ values: [Double]?) -> Double? {
    guard let values, !values.isEmpty else { return nil }
    return values.sorted()[values.count / 2]
  }
}
