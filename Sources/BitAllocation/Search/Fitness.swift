/// What a search minimizes.
public enum Fitness: Sendable {
  /// Σ loss of the choices, as ``ChoiceProblem/loss(of:)`` sums it.
  case surrogate
  /// Measured, for instance mean KL divergence per token over search tokens.
  ///
  /// The closure gets candidates, the level of each item counted from its first, and the selection
  /// stage (0 except in ``EvoPressSearch``, where later stages may use more tokens). It returns
  /// one finite value per candidate, in their order; what it throws ends the search.
  case measured(@Sendable (_ candidates: [[UInt8]], _ stage: Int) throws -> [Double])
}

/// A fitness, bound to the problem it is evaluated on.
struct Evaluation: Sendable {
  let problem: ChoiceProblem
  let fitness: Fitness

  var isMeasured: Bool { if case .measured = fitness { true } else { false } }

  /// Lower is better.
  ///
  /// - Throws: ``SearchError`` for values that are missing or not finite; errors of the closure.
  func values(of candidates: [[UInt8]], stage: Int = 0) throws -> [Double] {
    guard !candidates.isEmpty else { return [] }
    switch fitness {
    case .surrogate: return candidates.map(problem.loss(of:))
    case .measured(let measure):
      let values = try measure(candidates, stage)
      guard values.count == candidates.count else {
        throw SearchError.wrongCount(candidates: candidates.count, values: values.count)
      }
      if let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw SearchError.notFinite(candidate: bad, stage: stage, value: values[bad])
      }
      return values
    }
  }

  /// Refuses losses that no sum can be compared with.
  func check() throws(SearchError) {
    for item in 0..<problem.items {
      for choice in problem.choices(of: item) where !problem.loss[choice].isFinite {
        throw .badLoss(
          item: item, level: choice - problem.first[item], value: problem.loss[choice])
      }
    }
  }
}
