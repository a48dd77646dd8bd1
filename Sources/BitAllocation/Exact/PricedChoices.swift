/// A choice problem whose limits and requirements are charged for instead of enforced.
///
///     bound = Σ_i min_c (loss[c] + Σ_l λ_l·cost_l[c] − Σ_r μ_r·count_r[c]) − Σ_l λ_l·capacity_l
///             + Σ_r μ_r·atLeast_r,        λ, μ ≥ 0
///
/// The bound is below every plan whatever the prices, so that it does not lean on the tolerances
/// of the solver that they come from.
struct PricedChoices: Sendable {
  let bound: Double
  /// The minimizer of each item, counted from its first choice.
  let best: [UInt8]
  /// One value per choice: what it adds to the bound when it takes the minimizer's place; infinite
  /// where it is not allowed.
  let reduced: [Double]

  /// - Parameters:
  ///   - problem: The problem.
  ///   - allowed: One value per choice, at least one of each item true.
  ///   - limitPrices: λ.
  ///   - requirementPrices: μ.
  init(
    _ problem: ChoiceProblem, allowed: [Bool], limitPrices: [Double] = [],
    requirementPrices: [Double] = []
  ) {
    var priced = problem.loss
    var constant = 0.0
    func charge(
      _ price: Double, scope: Int?, amount: (Int) -> Double, bound: Double
    ) {
      guard price != 0 else { return }
      constant -= price * bound
      for item in 0..<problem.items where scope == nil || scope == Int(problem.scope[item]) {
        for choice in problem.choices(of: item) { priced[choice] += price * amount(choice) }
      }
    }
    for (limit, price) in zip(problem.limits, limitPrices) {
      let cost = problem.resources[limit.resource].cost
      charge(price, scope: limit.scope, amount: { Double(cost[$0]) }, bound: Double(limit.capacity))
    }
    for (requirement, price) in zip(problem.requirements, requirementPrices) {
      charge(
        -price, scope: requirement.scope, amount: { Double(requirement.counts[$0]) },
        bound: Double(requirement.atLeast))
    }
    var best = [UInt8](repeating: 0, count: problem.items)
    var least = 0.0
    for item in 0..<problem.items {
      let choices = problem.choices(of: item)
      var minimizer = choices.lowerBound
      for choice in choices {
        if !allowed[choice] { priced[choice] = .infinity }
        if priced[choice] < priced[minimizer] { minimizer = choice }
      }
      best[item] = UInt8(truncatingIfNeeded: minimizer - choices.lowerBound)
      let minimum = priced[minimizer]
      least += minimum
      for choice in choices { priced[choice] -= minimum }
    }
    self.best = best
    bound = least + constant
    reduced = priced
  }
}
