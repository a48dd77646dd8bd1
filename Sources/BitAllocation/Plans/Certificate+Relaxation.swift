extension Certificate {
  /// The certificate of any plan: its objective beside the bound of the linear relaxation.
  init(of choice: [UInt8], in compiled: CompiledProblem) throws(AllocationError) {
    let choices = compiled.choices
    let relaxation = try LinearRelaxation(compiled)
    let objective = choices.loss(of: choice)
    self.init(
      objective: objective, lowerBound: min(relaxation.bound, objective),
      isOptimal: objective - relaxation.bound <= abs(objective) * 1e-12,
      prices: relaxation.prices)
  }
}

/// The linear relaxation of a problem: a bound below every plan, and what budgets are worth.
struct LinearRelaxation: Sendable {
  let bound: Double
  let prices: [Certificate.Price]

  init(_ compiled: CompiledProblem) throws(AllocationError) {
    if let parts = compiled.choices.knapsacks() {
      var bound = 0.0
      var prices: [Double?] = Array(repeating: nil, count: compiled.choices.limits.count)
      for part in parts {
        guard let dual = LagrangianDual(part.knapsack) else {
          throw try compiled.infeasibility()
        }
        bound += dual.bound
        if let limit = part.limit { prices[limit] = dual.price }
      }
      self.bound = bound
      self.prices = compiled.prices(prices)
    } else {
      guard let relaxed = ChoiceProgram(compiled.choices).relaxation() else {
        throw try compiled.infeasibility()
      }
      bound = relaxed.bound
      prices = compiled.prices(relaxed.price)
    }
  }
}

extension CompiledProblem {
  /// Prices in the units of the budgets, from loss per whole number of each limit.
  func prices(_ perWhole: [Double?]) -> [Certificate.Price] {
    zip(choices.limits, zip(bounds, perWhole)).compactMap { limit, priced in
      guard let price = priced.1, price > 0 else { return nil }
      let perUnit = price / choices.resources[limit.resource].quantum
      return switch priced.0.bound.quantity {
      case .experts, .attention, .ledger: .init(budget: limit.name, loss: perUnit * 8, unit: "byte")
      case .bytes: .init(budget: limit.name, loss: perUnit, unit: "byte")
      case .resource(let name): .init(budget: limit.name, loss: perUnit, unit: "unit of \(name)")
      }
    }
  }

  /// Why there is no plan: a budget that cannot be kept, with the nearest value that can, be it alone
  /// or beside everything else; of a budget for every layer the layer that needs most. Else all of
  /// them together.
  func infeasibility() throws(AllocationError) -> AllocationError {
    let resources = Set(choices.limits.map(\.resource)).sorted()
    for resource in resources {
      let cost = choices.resources[resource].cost
      let least = (0..<choices.items).map { item in
        UInt8(
          choices.choices(of: item).enumerated().min { cost[$0.element] < cost[$1.element] }?
            .offset ?? 0)
      }
      if let error = excess(ofResource: resource, by: least) { return error }
    }
    for resource in resources {
      let cheapest: [UInt8]?
      do { cheapest = try ChoiceProgram(choices).cheapest(ofResource: resource) } catch {
        throw .solver("\(error)")
      }
      if let cheapest, let error = excess(ofResource: resource, by: cheapest) { return error }
    }
    return .infeasibleTogether(
      choices.limits.map(\.name)
        + choices.requirements.map { "at least \($0.atLeast) at \(number($0.bits)) bits" })
  }

  /// The limit of a resource that a choice exceeds most, in units of the budget; nil if it keeps all.
  private func excess(ofResource resource: Int, by choice: [UInt8]) -> AllocationError? {
    choices.limits.indices
      .filter { choices.limits[$0].resource == resource }
      .map { (limit: $0, spent: choices.spent(on: choices.limits[$0], by: choice)) }
      .filter { $0.spent > choices.limits[$0.limit].capacity }
      .max { nearest(limit: $0.limit, least: $0.spent) < nearest(limit: $1.limit, least: $1.spent) }
      .map { infeasible(limit: $0.limit, least: $0.spent) }
  }
}
