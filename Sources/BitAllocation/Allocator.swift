/// Turns a table and a budget into a plan.
public protocol Allocator: Sendable {
  /// As in specs: `uniform`, `exact`, `hawq-ilp`, ….
  var name: String { get }

  /// The plan; equal problems and seeds give equal plans.
  ///
  /// - Parameters:
  ///   - problem: Table and budget.
  ///   - seed: Read by allocators that draw.
  /// - Returns: A plan within the budget.
  /// - Throws: ``AllocationError``.
  func allocate(_ problem: AllocationProblem, seed: UInt64) throws(AllocationError) -> Allocation
}
