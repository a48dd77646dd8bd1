import JSON

/// Turns a table and a budget into a plan.
public protocol Allocator: Sendable {
  /// As in specs: `uniform`, `random`, `frequency`, `weight-outlier`.
  var name: String { get }

  /// The plan; equal problems and generators give equal plans.
  ///
  /// - Parameters:
  ///   - problem: Table and budget.
  ///   - generator: Read by allocators that draw, untouched by others.
  /// - Returns: A plan within the budget.
  /// - Throws: ``AllocationError``.
  func allocate(
    _ problem: AllocationProblem, using generator: inout some RandomNumberGenerator
  ) throws(AllocationError) -> Allocation
}

/// The allocators by name.
public enum Allocators {
  public static let names = ["uniform", "random", "frequency", "weight-outlier"]

  /// The allocator of this name.
  ///
  /// - Parameters:
  ///   - name: One of ``names``.
  ///   - law: For rank allocators; nil: two-level for tables of two levels, else fill.
  /// - Returns: The allocator.
  /// - Throws: ``AllocationError/unknownAllocator(_:nearest:known:)``.
  public static func named(
    _ name: String, law: RankLaw? = nil
  ) throws(AllocationError) -> any Allocator {
    switch name {
    case "uniform": return UniformAllocator()
    case "random": return RankAllocator(ranking: .random, law: law)
    case "frequency", "weight-outlier": return RankAllocator(ranking: .score(name), law: law)
    default:
      throw .unknownAllocator(name, nearest: nearestName(to: name, among: names), known: names)
    }
  }
}
