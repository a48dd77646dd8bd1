/// How long an allocator takes on a table, or exact allocation on as many neurons as a model has.
public struct AllocationTiming: Sendable {
  /// Median by the clock.
  public let seconds: Double
  /// Σ of the losses of the plan.
  public let objective: Double
  public let lowerBound: Double
  /// nil for allocators that have none.
  public let generationsPerSecond: Double?

  /// Allocates a table several times. Searches are timed by themselves, without what is shown beside
  /// them.
  ///
  /// - Parameters:
  ///   - allocator: Its name.
  ///   - problem: Table and budget.
  ///   - options: Of searches.
  ///   - repeats: At least 1.
  /// - Throws: ``AllocationError``, ``SearchError``.
  public init(
    of allocator: String, _ problem: AllocationProblem, options: SearchOptions, repeats: Int
  ) throws {
    guard let search = options.search(allocator, exact: nil) else {
      let named = try Allocators.named(allocator, law: nil, search: options)
      let (seconds, allocation) = try Self.median(of: repeats) {
        try named.allocate(problem, seed: 0)
      }
      guard let certificate = allocation.certificate else {
        throw AllocationError.missingLoss(unit: problem.table.units[0].id, bits: 0)
      }
      self.init(
        seconds: seconds, objective: certificate.objective, lowerBound: certificate.lowerBound)
      return
    }
    let choices = try CompiledProblem(problem).choices
    let (seconds, result) = try Self.median(of: repeats) {
      try search.search(choices, fitness: .surrogate, seed: 0)
    }
    let exact = try Allocators.named("exact", law: nil, search: options)
      .allocate(problem, seed: 0).certificate
    self.init(
      seconds: seconds, objective: result.fitness,
      lowerBound: exact?.lowerBound ?? -.infinity,
      generationsPerSecond: Double(result.telemetry.count - 1) / seconds)
  }

  /// Allocates neurons exactly, each on its own.
  ///
  /// - Parameters:
  ///   - table: In memory.
  ///   - budget: Bound on mean code bits.
  ///   - repeats: At least 1.
  /// - Throws: ``AllocationError``.
  public init(ofNeurons table: NeuronTable, budget: Double, repeats: Int) throws {
    let (seconds, allocation) = try Self.median(of: repeats) {
      try NeuronAllocation(exact: table, budget: budget)
    }
    guard let certificate = allocation.optimum?.certificate else {
      preconditionFailure("the exact allocation has an optimum")
    }
    self.init(
      seconds: seconds, objective: certificate.objective, lowerBound: certificate.lowerBound)
  }

  private init(
    seconds: Double, objective: Double, lowerBound: Double, generationsPerSecond: Double? = nil
  ) {
    self.seconds = seconds
    self.objective = objective
    self.lowerBound = lowerBound
    self.generationsPerSecond = generationsPerSecond
  }

  private static func median<Result>(
    of repeats: Int, _ body: () throws -> Result
  ) rethrows -> (seconds: Double, Result) {
    precondition(repeats > 0, "\(repeats) repeats")
    var times: [Double] = []
    var last: Result?
    for _ in 0..<repeats {
      let start = ContinuousClock.now
      last = try body()
      times.append((ContinuousClock.now - start) / .seconds(1))
    }
    guard let last else { preconditionFailure("nothing was run") }
    return (times.sorted()[repeats / 2], last)
  }
}
