import JSON

/// The allocators by name.
public enum Allocators {
  /// In the order in which help lists them.
  public static let names =
    [
      "uniform", "random", "frequency", "routing-weight", "weight-outlier", "block-importance",
      "predicted-importance", "first-layers", "last-layers", "greedy", "exact", "hawq-ilp", "pmq",
    ] + SearchOptions.searches

  /// The allocator of this name.
  ///
  /// - Parameters:
  ///   - name: One of ``names``.
  ///   - law: For rank allocators; nil: two-level for tables of two levels, else fill.
  ///   - search: For searches.
  /// - Returns: The allocator.
  /// - Throws: ``AllocationError/unknownAllocator(_:nearest:known:)``.
  public static func named(
    _ name: String, law: RankLaw? = nil, search: SearchOptions = SearchOptions()
  ) throws(AllocationError) -> any Allocator {
    switch name {
    case "uniform": return UniformAllocator()
    case "random": return RankAllocator(name, ranking: .random, law: law)
    case "frequency", "routing-weight", "weight-outlier", "block-importance",
      "predicted-importance":
      return RankAllocator(name, ranking: .score(name), law: law)
    case "first-layers": return RankAllocator(name, ranking: .firstLayers, law: law)
    case "last-layers": return RankAllocator(name, ranking: .lastLayers, law: law)
    case "greedy": return GreedyAllocator()
    case "exact": return ExactAllocator()
    case "hawq-ilp": return ProgramAllocator()
    case "pmq": return PMQAllocator()
    case _ where SearchOptions.searches.contains(name):
      return SearchAllocator(name, options: search)
    default:
      throw .unknownAllocator(name, nearest: nearestName(to: name, among: names), known: names)
    }
  }
}
