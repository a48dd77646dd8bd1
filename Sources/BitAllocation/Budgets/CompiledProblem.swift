/// An allocation problem in numbers, and the way back from choices to a plan.
struct CompiledProblem: Sendable {
  let problem: AllocationProblem
  let choices: ChoiceProblem
  /// Indices into the table's units: one item is one unit, or the units of a tie.
  let units: [[Int]]
  /// Nominal bits of every choice.
  let bits: [Double]
  /// A unit and level whose loss is not known; then all losses are 0.
  let missingLoss: (unit: String, bits: Double)?
  /// What each limit bounds, in the order of the limits.
  let bounds: [Bound]

  /// A limit in the words of the budget.
  struct Bound: Sendable {
    let bound: Budget.Bound
    /// `bound.value` is per weight over so many weights; nil: it bounds the sum.
    let weights: Int?
    /// Used up by modules outside the table.
    let fixed: Double
    let layer: Int?
  }

  init(_ problem: AllocationProblem) throws(AllocationError) {
    guard !problem.table.units.isEmpty else { throw .emptyTable }
    guard !problem.budget.bounds.isEmpty else { throw .noBudget }
    let items = try ItemLevels(problem)
    let limits = try LimitDrafts(problem, items)
    self.problem = problem
    units = items.units
    bits = items.bits
    missingLoss = items.missingLoss
    bounds = limits.bounds
    choices = ChoiceProblem(
      first: items.first, loss: items.loss, scope: limits.scope, resources: limits.resources,
      limits: limits.limits, requirements: try Self.requirements(problem, items, limits))
  }

  private static func requirements(
    _ problem: AllocationProblem, _ items: ItemLevels, _ limits: LimitDrafts
  ) throws(AllocationError) -> [ChoiceProblem.Requirement] {
    var found: [ChoiceProblem.Requirement] = []
    for requirement in problem.requirements {
      guard items.bits.contains(requirement.bits) else {
        throw .notALevel(budget: requirement.bits, levels: Set(items.bits).sorted())
      }
      var counts = [Int32](repeating: 0, count: items.bits.count)
      for item in items.units.indices {
        for choice in items.first[item]..<items.first[item + 1]
        where items.bits[choice] == requirement.bits {
          counts[choice] = Int32(items.units[item].count)
        }
      }
      let scopes: [Int?] = problem.scope == .layer ? limits.layerScopes.map { $0 } : [nil]
      for scope in scopes {
        found.append(
          ChoiceProblem.Requirement(
            bits: requirement.bits, scope: scope, atLeast: requirement.count, counts: counts))
      }
    }
    return found
  }

  /// The level of every unit, as an index into its levels.
  func levels(of choice: [UInt8]) -> [Int] {
    var levels = [Int](repeating: 0, count: problem.table.units.count)
    for (item, members) in units.enumerated() {
      let bits = self.bits[choices.first[item] + Int(choice[item])]
      for unit in members {
        levels[unit] = problem.table.units[unit].levels.firstIndex { $0.bits == bits } ?? 0
      }
    }
    return levels
  }
}

/// Items and the levels they can have.
private struct ItemLevels {
  var units: [[Int]] = []
  var first = [0]
  var bits: [Double] = []
  var loss: [Double] = []
  var missingLoss: (unit: String, bits: Double)?

  init(_ problem: AllocationProblem) throws(AllocationError) {
    units = Self.items(of: problem.table)
    for members in units {
      let shared = try Self.levels(of: members, problem)
      for bits in shared {
        var sum = 0.0
        for index in members {
          let unit = problem.table.units[index]
          guard let loss = try unit.loss(at: bits, problem.sensitivity) else {
            missingLoss = missingLoss ?? (unit.id, bits)
            continue
          }
          sum += loss
        }
        self.bits.append(bits)
        loss.append(sum)
      }
      first.append(self.bits.count)
    }
    if missingLoss != nil { loss = loss.map { _ in 0 } }
  }

  /// In the order of the first unit of each.
  private static func items(of table: SensitivityTable) -> [[Int]] {
    var items: [[Int]] = []
    var itemOfTie: [String: Int] = [:]
    for (index, unit) in table.units.enumerated() {
      if let tie = unit.tie {
        if let item = itemOfTie[tie] {
          items[item].append(index)
          continue
        }
        itemOfTie[tie] = items.count
      }
      items.append([index])
    }
    return items
  }

  /// The levels that all units of an item have and may have.
  private static func levels(
    of members: [Int], _ problem: AllocationProblem
  ) throws(AllocationError) -> [Double] {
    let units = members.map { problem.table.units[$0] }
    let shared = units[0].levels.map(\.bits).filter { bits in
      units.allSatisfy { unit in
        unit.level(bits: bits) != nil && problem.bits.contains(bits)
          && problem.unitBits[unit.id]?.contains(bits) != false
      }
    }
    guard !shared.isEmpty else {
      throw .noLevelLeft(unit: units[0].id, levels: units[0].levels.map(\.bits), tie: units[0].tie)
    }
    guard shared.count <= 255 else { throw .tooManyLevels(unit: units[0].id, count: shared.count) }
    return shared
  }
}

/// Scopes, resources and limits.
private struct LimitDrafts {
  var scope: [Int32] = []
  var resources: [ChoiceProblem.Resource] = []
  var limits: [ChoiceProblem.Limit] = []
  var bounds: [CompiledProblem.Bound] = []
  /// The scope of each layer, where scopes are layers.
  var layerScopes: [Int] = []

  init(_ problem: AllocationProblem, _ items: ItemLevels) throws(AllocationError) {
    let table = problem.table
    let hasAttention = table.units.contains { $0.part == .attention }
    let layers = problem.scope == .layer ? Set(table.units.map(\.layer)).sorted() : []
    let layerIndex = Dictionary(uniqueKeysWithValues: zip(layers, layers.indices))
    // Bounds on parts alone make independent problems: experts and attention are scopes of their
    // own then.
    let parts: [ModelPart] =
      (hasAttention || problem.budget.bounds.contains { $0.quantity == .attention })
        && problem.requirements.isEmpty
        && problem.budget.bounds.allSatisfy { $0.quantity == .experts || $0.quantity == .attention }
      ? [.expert, .attention] : []
    func scope(_ layer: Int, _ part: ModelPart) -> Int {
      (layerIndex[layer] ?? 0) * max(parts.count, 1) + (parts.firstIndex(of: part) ?? 0)
    }
    for members in items.units {
      let unit = table.units[members[0]]
      for other in members.dropFirst().map({ table.units[$0] })
      where !sameScope(unit, other, problem.scope, parts) {
        throw .tieAcrossScopes(tie: unit.tie ?? "", units: [unit.id, other.id])
      }
      self.scope.append(Int32(scope(unit.layer, unit.part)))
    }
    layerScopes = layers.indices.map { $0 * max(parts.count, 1) }
    for bound in problem.budget.bounds {
      guard bound.value.isFinite, bound.value > 0, bound.value < 1e15 else {
        throw .badBudget(bound.value)
      }
      try append(
        bound, problem, items, layers: layers, hasAttention: hasAttention,
        scopeOf: { layer, part in
          layers.isEmpty && parts.isEmpty ? nil : scope(layer ?? 0, part ?? .expert)
        })
    }
  }

  private func sameScope(
    _ a: Unit, _ b: Unit, _ scope: AllocationProblem.Scope, _ parts: [ModelPart]
  ) -> Bool {
    (scope == .model || a.layer == b.layer) && (parts.isEmpty || a.part == b.part)
  }

  private mutating func append(
    _ bound: Budget.Bound, _ problem: AllocationProblem, _ items: ItemLevels, layers: [Int],
    hasAttention: Bool, scopeOf: (Int?, ModelPart?) -> Int?
  ) throws(AllocationError) {
    let meter = CostMeter(bound.quantity, allUnits: !hasAttention)
    var costs: [Double] = []
    for (item, members) in items.units.enumerated() {
      for choice in items.first[item]..<items.first[item + 1] {
        var sum = 0.0
        for index in members {
          let unit = problem.table.units[index]
          guard let level = unit.level(bits: items.bits[choice]) else { continue }
          sum += try meter.cost(of: unit, at: level)
        }
        guard sum >= 0, sum < 0x1p62 else {
          throw .badCost(
            unit: problem.table.units[members[0]].id, bits: items.bits[choice],
            quantity: "\(bound.quantity)", value: sum)
        }
        costs.append(sum)
      }
    }
    let whole = WholeCosts(costs)
    let resource = resources.count
    resources.append(
      ChoiceProblem.Resource(
        name: "\(bound.quantity)", cost: whole.cost, quantum: whole.quantum))
    let scopes: [Int?] = layers.isEmpty ? [nil] : layers.map { $0 }
    for layer in scopes {
      let counted = problem.table.units.filter { layer == nil || $0.layer == layer }
      let outside = layer == nil ? problem.attention : []
      let weights = meter.weights(of: counted, outside)
      if meter.isMean, weights == nil { throw .nothingToBound("\(bound.quantity)") }
      let fixed = meter.fixed(outside)
      let part: ModelPart? = bound.quantity == .attention ? .attention : .expert
      let name = "\(bound.quantity)" + (layer.map { " of layer \($0)" } ?? "")
      limits.append(
        ChoiceProblem.Limit(
          name: name, resource: resource, scope: scopeOf(layer, part),
          capacity: whole.capacity(bound.value, times: weights ?? 1, less: fixed)))
      bounds.append(
        CompiledProblem.Bound(bound: bound, weights: weights, fixed: fixed, layer: layer))
    }
  }
}

/// What a level of a unit counts under a bound.
private struct CostMeter {
  let quantity: Budget.Quantity
  /// Whether `experts` counts every unit.
  let allUnits: Bool

  init(_ quantity: Budget.Quantity, allUnits: Bool) {
    (self.quantity, self.allUnits) = (quantity, allUnits)
  }

  func cost(of unit: Unit, at level: Level) throws(AllocationError) -> Double {
    switch quantity {
    case .experts: return allUnits || unit.part == .expert ? level.codeBits : 0
    case .attention: return unit.part == .attention ? level.codeBits : 0
    case .ledger(let ledger):
      guard ledger.isAdditive else { throw .notAdditive(ledger.rawValue) }
      guard let cost = ledger.cost(of: try module(unit, level)) else {
        throw .missingMetadata(unit: unit.id, bits: level.bits, quantity: ledger.rawValue)
      }
      return cost
    case .bytes:
      guard let metadata = level.metadataBits else {
        throw .missingMetadata(unit: unit.id, bits: level.bits, quantity: "bytes")
      }
      return ((level.codeBits + metadata) / 8).rounded(.up)
    case .resource(let name):
      guard let value = level.resources[name] else {
        throw .missingResource(
          name, unit: unit.id, bits: level.bits,
          known: level.resources.keys.sorted())
      }
      return value
    }
  }

  private func module(_ unit: Unit, _ level: Level) throws(AllocationError) -> QuantizedModule {
    guard case .ledger(let ledger) = quantity, ledger == .withMetadata,
      level.metadataBits == nil
    else { return QuantizedModule(unit, level) }
    throw .missingMetadata(unit: unit.id, bits: level.bits, quantity: ledger.rawValue)
  }

  /// Whether the bound is a mean, not a sum.
  var isMean: Bool {
    switch quantity {
    case .experts, .attention, .ledger: true
    case .bytes, .resource: false
    }
  }

  /// What a mean is over; nil for sums, and where nothing is counted.
  func weights(of units: [Unit], _ outside: [QuantizedModule]) -> Int? {
    let counted: Int? =
      switch quantity {
      case .experts: units.filter { allUnits || $0.part == .expert }.reduce(0) { $0 + $1.weights }
      case .attention:
        units.filter { $0.part == .attention }.reduce(0) { $0 + $1.weights }
          + outside.filter { $0.part == .attention }.reduce(0) { $0 + $1.weights }
      case .ledger(let ledger):
        ledger.denominator(
          of: units.map { QuantizedModule($0, Level(bits: 1, codeBits: 0)) } + outside
        ).map { Int($0) }
      case .bytes, .resource: nil
      }
    return counted.flatMap { $0 > 0 ? $0 : nil }
  }

  func fixed(_ outside: [QuantizedModule]) -> Double {
    switch quantity {
    case .experts, .bytes, .resource: 0
    case .attention: outside.filter { $0.part == .attention }.reduce(0) { $0 + $1.codeBits }
    case .ledger(let ledger): outside.reduce(0) { $0 + (ledger.cost(of: $1) ?? 0) }
    }
  }
}

extension QuantizedModule {
  init(_ unit: Unit, _ level: Level) {
    self.init(
      name: unit.id, part: unit.part, weights: unit.weights, codeBits: level.codeBits,
      metadataBits: level.metadataBits ?? 0, linears: unit.projection == nil ? 3 : 1,
      groupSize: unit.groupSize)
  }
}
