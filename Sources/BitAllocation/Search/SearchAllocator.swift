/// A search as an allocator: on the additive loss of the table, or on a measured fitness.
///
/// On the additive loss its plan is shown beside the exact optimum and beside random search with as
/// many evaluations; on a measured fitness beside the exact optimum of the additive loss, the same
/// search started from there, and random search, all with as many evaluations and measured alike on
/// search tokens and on tokens that no search has seen. ``SearchOptions/rivals`` leaves those out that
/// take evaluations of their own.
public struct SearchAllocator: Allocator {
  public let name: String
  public var options: SearchOptions

  public init(_ name: String, options: SearchOptions = SearchOptions()) {
    self.name = name
    self.options = options
  }

  public func allocate(
    _ problem: AllocationProblem, seed: UInt64
  ) throws(AllocationError) -> Allocation {
    do {
      return try allocate(problem, seed: seed, measured: nil, checkpoint: nil)
    } catch let error as AllocationError {
      throw error
    } catch {
      throw .search(allocator: name, reason: "\(error)")
    }
  }

  /// Searches, going on from a saved state if there is one.
  ///
  /// - Parameters:
  ///   - problem: Table and budget.
  ///   - seed: Determines the result.
  ///   - measured: Fitness of plans; nil: the additive loss.
  ///   - resume: A state that an earlier call saved.
  ///   - checkpoint: Where states are saved.
  /// - Returns: The best plan found, with its record.
  /// - Throws: ``AllocationError``, ``SearchError``, what the fitness and the checkpoint throw.
  public func allocate(
    _ problem: AllocationProblem, seed: UInt64, measured: MeasuredFitness?,
    resume: SearchState? = nil, checkpoint: SearchCheckpoint?
  ) throws -> Allocation {
    let compiled = try CompiledProblem(problem)
    let exact = try exactPlan(of: compiled)
    guard let search = options.search(name, exact: exact) else {
      throw AllocationError.unknownAllocator(
        name, nearest: nil, known: SearchOptions.searches)
    }
    let fitness = measured.map { measured in
      Fitness.measured { candidates, stage in
        try measured.values(candidates.map(compiled.plan(of:)), .search(stage: stage))
      }
    }
    let result =
      if let resume {
        try search.resume(
          from: resume, compiled.choices, fitness: fitness ?? .surrogate, checkpoint: checkpoint)
      } else {
        try search.search(
          compiled.choices, fitness: fitness ?? .surrogate, seed: seed, checkpoint: checkpoint)
      }
    let record =
      if let measured, let fitness {
        try Self.record(
          result, rivals(of: result, exact, compiled, fitness, seed: seed), compiled, measured)
      } else {
        try Self.record(result, exact, compiled, seed: seed)
      }
    return try Allocation(compiled, result.choice, allocator: name, search: record)
  }

  private typealias MeasuredRival = (name: String, choice: [UInt8], evaluations: Int)

  /// What else a measured search could have come to at its cost.
  private func rivals(
    of result: SearchResult, _ exact: [UInt8]?, _ compiled: CompiledProblem, _ fitness: Fitness,
    seed: UInt64
  ) throws -> [MeasuredRival] {
    var rivals: [MeasuredRival] = exact.map { [("exact", $0, 0)] } ?? []
    guard options.rivals ?? true else { return rivals }
    if let exact, options.start != .exact {
      var fromExact = options
      fromExact.start = .exact
      if let search = fromExact.search(name, exact: exact), name != "random-search" {
        let found = try search.search(
          compiled.choices, fitness: fitness, seed: seed, checkpoint: nil)
        rivals.append(("\(name) from the exact plan", found.choice, found.evaluations))
      }
    }
    if name != "random-search" {
      var random = RandomSearch()
      random.evaluations = max(result.evaluations, 1)
      let found = try random.search(
        compiled.choices, fitness: fitness, seed: seed, checkpoint: nil)
      rivals.append((random.name, found.choice, found.evaluations))
    }
    return rivals
  }

  /// The optimum of the additive loss; nil where the table has no losses.
  private func exactPlan(of compiled: CompiledProblem) throws(AllocationError) -> [UInt8]? {
    guard compiled.missingLoss == nil else {
      if options.start == .exact || name == "relaxed-gradient" { try compiled.requireLosses() }
      return nil
    }
    return try ExactAllocator.best(of: compiled).choice
  }

  private static func record(
    _ result: SearchResult, _ exact: [UInt8]?, _ compiled: CompiledProblem, seed: UInt64
  ) throws -> SearchRecord {
    var random = RandomSearch()
    random.evaluations = max(result.evaluations, 1)
    let drawn = try random.search(compiled.choices, fitness: .surrogate, seed: seed)
    var rivals = [
      SearchRecord.Rival(
        name: random.name, fitness: drawn.fitness, evaluations: drawn.evaluations)
    ]
    if let exact {
      rivals.append(
        SearchRecord.Rival(name: "exact", fitness: compiled.choices.loss(of: exact)))
    }
    return SearchRecord(fitness: "surrogate", result, rivals: rivals)
  }

  private static func record(
    _ result: SearchResult, _ others: [MeasuredRival], _ compiled: CompiledProblem,
    _ measured: MeasuredFitness
  ) throws -> SearchRecord {
    let plans = ([result.choice] + others.map(\.choice)).map(compiled.plan(of:))
    let onSearch = try measured.values(plans, .search(stage: .max))
    let onSelection = try measured.values(plans, .selection)
    let rivals = others.enumerated().map { index, rival in
      SearchRecord.Rival(
        name: rival.name, fitness: onSearch[index + 1],
        selectionFitness: onSelection[index + 1], evaluations: rival.evaluations)
    }
    var record = SearchRecord(
      fitness: "measured", result, selectionFitness: onSelection[0], rivals: rivals)
    record.best = onSearch[0]
    return record
  }
}

/// A fitness that is measured by running the model with a plan.
public struct MeasuredFitness: Sendable {
  /// Which tokens it is measured on; the sets are disjoint.
  public enum Tokens: Sendable, Equatable {
    /// Those of the search; later stages of selection may use more of them, stages above the last
    /// all.
    case search(stage: Int)
    /// Those that tell the winner's curse.
    case selection
  }

  /// Lower is better; one finite value a plan.
  public let values: @Sendable (_ plans: [Plan], Tokens) throws -> [Double]

  public init(values: @escaping @Sendable (_ plans: [Plan], Tokens) throws -> [Double]) {
    self.values = values
  }
}

extension CompiledProblem {
  func plan(of choice: [UInt8]) -> Plan {
    Plan(
      entries: zip(problem.table.units, levels(of: choice)).map {
        Plan.Entry(unit: $0.id, bits: $0.levels[$1].bits)
      })
  }
}
