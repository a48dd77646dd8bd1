extension Certificate {
  /// The certificate of any plan: its objective beside the bound of the linear relaxation.
  init(of choice: [UInt8], in compiled: CompiledProblem) throws(AllocationError) {
    let choices = compiled.choices
    let relaxation = try LinearRelaxation(compiled)
    let objective = choices.loss(of: choice)
    self.init(
      objective: objective, lowerBound: min(relaxation.bound, objective),
      isOptimal: objective - relaxation.bound <= abs(objective) * 1e-12,
      pricePerByte: relaxation.pricePerByte)
  }
}

/// The linear relaxation of a problem: a bound below every plan, and what a byte is worth.
struct LinearRelaxation: Sendable {
  let bound: Double
  /// nil where no limit or more than one binds, or the limit is not of bits.
  let pricePerByte: Double?

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
      pricePerByte = compiled.pricePerByte(prices)
    } else {
      guard let relaxed = ChoiceProgram(compiled.choices).relaxation() else {
        throw try compiled.infeasibility()
      }
      bound = relaxed.bound
      pricePerByte = compiled.pricePerByte(relaxed.price)
    }
  }
}

extension CompiledProblem {
  /// Loss per byte from loss per whole number of each limit; nil unless exactly one limit binds
  /// and counts bits or bytes.
  func pricePerByte(_ prices: [Double?]) -> Double? {
    let binding = prices.indices.filter { (prices[$0] ?? 0) > 0 }
    guard binding.count == 1, let price = prices[binding[0]] else { return nil }
    let quantum = choices.resources[choices.limits[binding[0]].resource].quantum
    return switch bounds[binding[0]].bound.quantity {
    case .experts, .attention, .ledger: price / quantum * 8
    case .bytes: price / quantum
    case .resource: nil
    }
  }

  /// Why there is no plan: the first limit that cannot be kept even alone, with the nearest value
  /// that can; else all of them together.
  func infeasibility() throws(AllocationError) -> AllocationError {
    for (index, limit) in choices.limits.enumerated() {
      let cost = choices.resources[limit.resource].cost
      var least: Int64 = 0
      for item in 0..<choices.items
      where limit.scope == nil || limit.scope == Int(choices.scope[item]) {
        least += choices.choices(of: item).map { cost[$0] }.min() ?? 0
      }
      if least > limit.capacity { return infeasible(limit: index, least: least) }
    }
    for (index, limit) in choices.limits.enumerated() {
      let least: Int64?
      do { least = try ChoiceProgram(choices).nearestCapacity(ofLimit: index) } catch {
        throw .solver("\(error)")
      }
      if let least, least > limit.capacity { return infeasible(limit: index, least: least) }
    }
    return .infeasibleTogether(
      choices.limits.map(\.name)
        + choices.requirements.map { "at least \($0.atLeast) at \(number($0.bits)) bits" })
  }
}
