/// Options of the searches by the names they have in specs; nil: the search's own default.
public struct SearchOptions: Sendable, Equatable, Codable {
  /// Where the first plans come from.
  public enum Start: String, Sendable, Equatable, Codable, CaseIterable {
    case random, fill
    /// The exact optimum of the surrogate, then filled plans.
    case exact
    /// The lowest uniform level over the budget, lowered at random: EvoPress.
    case ceiling
  }

  public var generations: Int?
  public var patience: Int?
  public var start: Start?
  /// evolutionary.
  public var population: Int?
  public var parents: Int?
  public var crossover: Crossover?
  public var mutationRate: Double?
  public var mutations: [Mutation]?
  public var elitism: Int?
  /// evopress.
  public var offspring: Int?
  public var groupRule: GroupRule?
  /// Survivors of each stage of selection, and the tokens of each.
  public var survivors: [Int]?
  public var stageTokens: [Int]?
  /// random-search.
  public var evaluations: Int?
  /// relaxed-gradient.
  public var learningRate: Double?
  /// Whether a measured search is shown beside others at its cost; nil: it is.
  public var rivals: Bool?

  public init() {}

  /// Names of the searches.
  public static let searches = ["evolutionary", "evopress", "random-search", "relaxed-gradient"]

  /// Tokens of each stage of selection of a search on a measured fitness; empty: all tokens.
  ///
  /// - Parameter name: Of the search.
  /// - Returns: Those of EvoPress.
  public func measuredTokens(_ name: String) -> [Int] {
    name == "evopress" ? evoPress(nil).stages.map(\.tokens) : []
  }

  /// The search of this name with these options.
  ///
  /// - Parameters:
  ///   - name: One of ``searches``.
  ///   - exact: The exact optimum of the surrogate, for ``Start/exact``.
  /// - Returns: nil for another name.
  func search(_ name: String, exact: [UInt8]?) -> (any PlanSearch)? {
    switch name {
    case "evolutionary": return evolutionary(exact)
    case "evopress": return evoPress(exact)
    case "random-search":
      var search = RandomSearch()
      set(&search.evaluations, evaluations)
      search.patience = patience
      return search
    case "relaxed-gradient":
      var search = RelaxedGradient()
      set(&search.generations, generations)
      set(&search.learningRate, learningRate)
      search.patience = patience
      return search
    default: return nil
    }
  }

  private func evolutionary(_ exact: [UInt8]?) -> EvolutionarySearch {
    var search = EvolutionarySearch()
    set(&search.generations, generations)
    set(&search.population, population)
    search.parents = parents ?? min(search.parents, max(search.population / 4, 1))
    search.elitism = elitism ?? min(search.elitism, max(search.population / 8, 1))
    set(&search.crossover, crossover)
    set(&search.mutationRate, mutationRate)
    set(&search.mutations, mutations)
    set(&search.initialisation, initialisation(exact))
    search.patience = patience
    return search
  }

  private func evoPress(_ exact: [UInt8]?) -> EvoPressSearch {
    var search = EvoPressSearch()
    set(&search.generations, generations)
    set(&search.offspring, offspring)
    set(&search.groupRule, groupRule)
    set(&search.initialisation, initialisation(exact))
    if let survivors {
      search.stages = survivors.enumerated().map { index, count in
        EvoPressSearch.Stage(
          survivors: count, tokens: stageTokens?.dropFirst(index).first ?? 0)
      }
    }
    search.patience = patience
    return search
  }

  private func initialisation(_ exact: [UInt8]?) -> Initialisation? {
    switch start {
    case nil: nil
    case .random: .random
    case .fill: .fill
    case .ceiling: .ceiling
    case .exact: exact.map { .given([$0]) }
    }
  }

  private func set<Value>(_ target: inout Value, _ value: Value?) {
    if let value { target = value }
  }
}
