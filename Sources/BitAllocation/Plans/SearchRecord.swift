/// What a search went through, and what stands beside its result.
public struct SearchRecord: Sendable, Equatable, Codable {
  /// Another plan of the same problem, for comparison.
  public struct Rival: Sendable, Equatable, Codable {
    /// `exact`, `random-search`, `search from the exact plan`.
    public var name: String
    /// Its value of what the search minimized.
    public var fitness: Double
    /// Its value on tokens that no search has seen; nil on the surrogate.
    public var selectionFitness: Double?
    public var evaluations: Int?

    public init(
      name: String, fitness: Double, selectionFitness: Double? = nil, evaluations: Int? = nil
    ) {
      self.name = name
      self.fitness = fitness
      self.selectionFitness = selectionFitness
      self.evaluations = evaluations
    }
  }

  /// `surrogate` or `measured`.
  public var fitness: String
  /// Of the best plan, on search tokens where it is measured.
  public var best: Double
  /// Of the best plan on tokens that the search has not seen; nil on the surrogate. Its difference
  /// to ``best`` is the winner's curse.
  public var selectionFitness: Double?
  public var evaluations: Int
  public var stop: StopReason
  public var generations: [GenerationRecord]
  public var rivals: [Rival]

  public init(
    fitness: String, _ result: SearchResult, selectionFitness: Double? = nil, rivals: [Rival]
  ) {
    self.fitness = fitness
    best = result.fitness
    self.selectionFitness = selectionFitness
    evaluations = result.evaluations
    stop = result.stop
    generations = result.telemetry
    self.rivals = rivals
  }
}
