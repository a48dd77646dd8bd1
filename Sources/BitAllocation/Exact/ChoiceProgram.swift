/// A choice problem solved as a 0-1 program, with proof.
///
/// 1. Prices of limits and requirements come from the Lagrangian dual (one limit over all items) or
///    from the linear relaxation; they give the bound and the reduced loss of every choice.
/// 2. The choices of least reduced loss make a small program around the bound's minimizers.
/// 3. A plan found at `excess` above the bound is optimal if all choices of reduced loss up to
///    `excess` took part; else the program with these has the optimum.
/// 4. Where the plan's loss rules out the losses that set the solver's scale, all is repeated
///    without them: beside a loss of 10¹² the solver does not see one of 10⁻³.
struct ChoiceProgram: Sendable {
  let problem: ChoiceProblem

  init(_ problem: ChoiceProblem) { self.problem = problem }

  /// The best plan.
  ///
  /// - Parameter timeLimit: Of wall time for all programs together; nil: none.
  /// - Returns: nil if no plan meets limits and requirements.
  /// - Throws: ``ProgramUndecided`` if time was up before a plan was found.
  func solve(timeLimit: Duration? = nil) throws(ProgramUndecided) -> ProgramSolution? {
    let deadline = timeLimit.map { ContinuousClock.now + $0 }
    var allowed = [Bool](repeating: true, count: problem.loss.count)
    var known: ProgramSolution?
    while let (prices, near) = prices(allowed) {
      let priced = PricedChoices(
        problem, allowed: allowed, limitPrices: prices.limits,
        requirementPrices: prices.requirements)
      var search = CoreSearch(problem, priced, deadline: deadline)
      search.offer(near)
      search.offer(known?.choice)
      try search.run()
      guard let best = search.best else { break }
      let solution = ProgramSolution(
        choice: best, loss: search.loss, lowerBound: min(priced.bound, search.loss),
        isOptimal: search.isOptimal, price: prices.limits, reduced: priced.reduced)
      let promising = problem.choices(lossWithin: solution.loss)
      guard problem.spread(of: promising) * 1000 < problem.spread(of: allowed) else {
        return solution
      }
      (allowed, known) = (promising, solution)
    }
    return known
  }

  /// The linear relaxation: a bound below every plan, and for each limit the loss that one more
  /// whole number of its resource would save; nil if it is infeasible.
  func relaxation() -> (bound: Double, price: [Double])? {
    let allowed = [Bool](repeating: true, count: problem.loss.count)
    guard let (prices, _) = prices(allowed) else { return nil }
    let priced = PricedChoices(
      problem, allowed: allowed, limitPrices: prices.limits,
      requirementPrices: prices.requirements)
    return (priced.bound, prices.limits)
  }

  /// The choice that spends least of a resource while everything but the limits of that resource is
  /// kept.
  ///
  /// - Parameters:
  ///   - resource: Its index.
  ///   - timeLimit: Of wall time; nil: none.
  /// - Returns: nil if the others already admit none.
  /// - Throws: ``ProgramUndecided``.
  func cheapest(
    ofResource resource: Int, timeLimit: Duration? = nil
  ) throws(ProgramUndecided) -> [UInt8]? {
    let cheapest = ChoiceProblem(
      first: problem.first, loss: problem.resources[resource].cost.map { Double($0) },
      scope: problem.scope, resources: problem.resources,
      limits: problem.limits.filter { $0.resource != resource },
      requirements: problem.requirements)
    return try ChoiceProgram(cheapest).solve(timeLimit: timeLimit)?.choice
  }

  /// Prices, and choices that may meet everything; nil if the linear relaxation is infeasible.
  private func prices(_ allowed: [Bool]) -> (Prices, known: [UInt8]?)? {
    guard !problem.limits.isEmpty || !problem.requirements.isEmpty else {
      return (Prices(limits: [], requirements: []), nil)
    }
    if problem.limits.count == 1, problem.limits[0].scope == nil, problem.requirements.isEmpty {
      let limit = problem.limits[0]
      let knapsack = Knapsack(
        first: problem.first, loss: problem.loss, cost: problem.resources[limit.resource].cost,
        capacity: limit.capacity)
      guard let dual = LagrangianDual(knapsack) else { return nil }
      return (Prices(limits: [dual.price], requirements: []), dual.choice)
    }
    let free = PricedChoices(problem, allowed: allowed)
    let (program, _) = problem.program(around: free.best) { allowed[$0] }
    guard let relaxation = program.relaxation() else { return nil }
    // A price of the wrong sign is the solver's rounding.
    let duals = relaxation.rowDuals.prefix(problem.limits.count + problem.requirements.count)
    return (
      Prices(
        limits: duals.prefix(problem.limits.count).map { max(-$0, 0) },
        requirements: duals.dropFirst(problem.limits.count).map { max($0, 0) }), nil
    )
  }

  private struct Prices {
    let limits: [Double]
    let requirements: [Double]
  }
}

/// What an integer program found.
struct ProgramSolution: Sendable, Equatable {
  /// Counted from the first choice of each item.
  let choice: [UInt8]
  let loss: Double
  /// Value of the linear relaxation.
  let lowerBound: Double
  /// Whether no plan is better.
  let isOptimal: Bool
  /// For each limit, the loss that one more whole number of its resource would save in the
  /// relaxation.
  let price: [Double]
  /// For each choice, the loss that taking it adds to the bound at these prices; infinite where it
  /// is too dear for any plan as good.
  let reduced: [Double]
}

/// The solver stopped before it found a plan or showed that there is none.
struct ProgramUndecided: Error, Equatable, CustomStringConvertible {
  var description: String {
    "The integer program was stopped before a plan was found; allow more time."
  }
}

/// Programs of growing size around the minimizers of a bound.
private struct CoreSearch {
  let problem: ChoiceProblem
  let priced: PricedChoices
  let deadline: ContinuousClock.Instant?
  private(set) var best: [UInt8]?
  private(set) var loss = Double.infinity
  private(set) var isOptimal = false

  init(_ problem: ChoiceProblem, _ priced: PricedChoices, deadline: ContinuousClock.Instant?) {
    (self.problem, self.priced, self.deadline) = (problem, priced, deadline)
    offer(priced.best)
  }

  /// Keeps choices if they are admissible and better than the best known.
  mutating func offer(_ choice: [UInt8]?) {
    guard let choice, problem.admits(choice) else { return }
    let offered = problem.loss(of: choice)
    if best == nil || offered < loss { (best, loss) = (choice, offered) }
  }

  private var excess: Double { best == nil ? .infinity : loss - priced.bound }

  mutating func run() throws(ProgramUndecided) {
    let rounding = 1e-13 * max(abs(priced.bound), best == nil ? 0 : abs(loss))
    guard excess > rounding else {
      isOptimal = true
      return
    }
    let ladder = priced.reduced.filter { $0 > 0 && $0.isFinite }.sorted()
    var taken = 64 + 16 * (problem.limits.count + problem.requirements.count)
    while true {
      let reach = min(taken < ladder.count ? ladder[taken] : .infinity, excess)
      let outcome = solve(reach: reach)
      if case .solved(_, isOptimal: false) = outcome { return }
      guard outcome != .undecided else {
        if best == nil { throw ProgramUndecided() }
        return
      }
      // Choices left out cost more than `reach`; at equality they are as good at best.
      if excess <= reach || reach == .infinity {
        isOptimal = best != nil
        return
      }
      taken *= 8
    }
  }

  /// Solves the program of the choices up to a reduced loss and keeps what it finds.
  private mutating func solve(reach: Double) -> IntegerProgram.Outcome {
    let margin = 1e-12 * (abs(priced.bound) + (reach.isFinite ? reach : 0))
    var (program, choices) = problem.program(around: priced.best) {
      priced.reduced[$0].isFinite && priced.reduced[$0] <= reach + margin
    }
    for _ in 0..<Self.refusals {
      let left = deadline.map { max($0 - .now, .zero) }
      let outcome = program.solve(timeLimit: left)
      guard case .solved(let variables, _) = outcome else { return outcome }
      let choice = problem.choice(around: priced.best, choices, variables)
      offer(choice)
      if problem.admits(choice) { return outcome }
      program.refuse(variables)
    }
    return .undecided
  }

  /// The solver's tolerance is relative to the size of a row, so that with large coefficients it
  /// may take a plan that is a few units over; each is refused by a row of its own.
  private static let refusals = 64
}

extension ChoiceProblem {
  /// Which choices can be part of a plan of at most this loss: the others alone lose more, even with
  /// every other item at its best.
  fileprivate func choices(lossWithin loss: Double) -> [Bool] {
    let least = (0..<items).map { self.loss[choices(of: $0)].min() ?? 0 }
    let sum = least.reduce(0, +)
    let excess = loss - sum + 1e-12 * (abs(loss) + abs(sum))
    var within = [Bool](repeating: true, count: self.loss.count)
    for item in 0..<items {
      for choice in choices(of: item) {
        within[choice] = self.loss[choice] - least[item] <= excess
      }
    }
    return within
  }

  /// The greatest difference of allowed losses of an item.
  fileprivate func spread(of allowed: [Bool]) -> Double {
    (0..<items).reduce(0) { spread, item in
      let losses = choices(of: item).lazy.filter { allowed[$0] }.map { loss[$0] }
      return max(spread, (losses.max() ?? 0) - (losses.min() ?? 0))
    }
  }

  /// The program in which each item has its base choice unless one of its kept choices is taken.
  ///
  /// Rows are limits, then requirements, then items with several kept choices. The coefficients are
  /// differences from the base choice: fewer and smaller numbers than with a variable for each.
  ///
  /// - Returns: The program, and the choice that each of its variables stands for.
  fileprivate func program(
    around base: [UInt8], keeping keep: (Int) -> Bool
  ) -> (IntegerProgram, choices: [Int]) {
    var choices: [Int] = []
    var owners: [Int] = []
    var exclusive: [IntegerProgram.Row] = []
    for item in 0..<items {
      let own = self.choices(of: item).filter { $0 != first[item] + Int(base[item]) && keep($0) }
      if own.count > 1 {
        var row = IntegerProgram.Row(upper: 1)
        for column in choices.count..<choices.count + own.count { row.append(1, column: column) }
        exclusive.append(row)
      }
      choices += own
      owners += own.map { _ in item }
    }
    func row(scope: Int?, amount: (Int) -> Int64) -> IntegerProgram.Row {
      var row = IntegerProgram.Row()
      for (column, item) in owners.enumerated()
      where scope == nil || scope == Int(self.scope[item]) {
        row.append(
          amount(choices[column]) - amount(first[item] + Int(base[item])), column: column)
      }
      return row
    }
    var rows = limits.map { limit in
      let cost = resources[limit.resource].cost
      var bounded = row(scope: limit.scope) { cost[$0] }
      bounded.upper = limit.capacity - spent(on: limit, by: base)
      return bounded
    }
    rows += requirements.map { requirement in
      var counted = row(scope: requirement.scope) { Int64(requirement.counts[$0]) }
      counted.lower = Int64(requirement.atLeast - count(for: requirement, in: base))
      return counted
    }
    let objective = zip(choices, owners).map { choice, item in
      loss[choice] - loss[first[item] + Int(base[item])]
    }
    return (IntegerProgram(objective: objective, rows: rows + exclusive), choices)
  }

  /// The base choices with those of the variables that are 1 in their place.
  fileprivate func choice(
    around base: [UInt8], _ choices: [Int], _ variables: [Bool]
  ) -> [UInt8] {
    var choice = base
    var item = 0
    for (index, isTaken) in zip(choices, variables) where isTaken {
      while first[item + 1] <= index { item += 1 }
      choice[item] = UInt8(truncatingIfNeeded: index - first[item])
    }
    return choice
  }
}

extension IntegerProgram {
  /// Adds a row that only this assignment violates: Σ_{x=1} (1 − x) + Σ_{x=0} x ≥ 1.
  fileprivate mutating func refuse(_ variables: [Bool]) {
    var row = Row()
    for (column, isTaken) in variables.enumerated() { row.append(isTaken ? -1 : 1, column: column) }
    row.lower = 1 - Int64(variables.count { $0 })
    rows.append(row)
  }
}
