import BitAllocation
import Foundation
import JSON
import Sensitivity
import Statistics
import Tensors

/// table + budget → plan.
public struct AllocateStage: Sendable {
  public static let name = "allocate"
  static let epoch = 1

  public var allocator: String
  public var law: RankLaw?
  /// Mean code bits per expert weight.
  public var budget: Double
  /// Read by random allocation only.
  public var seed: UInt64?

  public init(allocator: String, law: RankLaw?, budget: Double, seed: UInt64?) {
    self.allocator = allocator
    self.law = law
    self.budget = budget
    self.seed = seed
  }

  func stage() -> Stage {
    var parameters = JSONObject([
      ("allocator", JSONValue(allocator)), ("budget", JSONValue(budget)),
    ])
    if let law { parameters["law"] = JSONValue("\(law)") }
    if let seed { parameters["seed"] = JSONValue(Int(seed)) }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters),
      inputs: ["table": .stage(MeasureStage.name)]
    ) { context in
      let table = try SensitivityTable(
        hdf5: context.input("table").appending(path: StageFile.table))
      try context.write(try allocation(of: table).json, to: StageFile.plan)
    }
  }

  /// - Throws: ``AllocationError``.
  public func allocation(of table: SensitivityTable) throws -> Allocation {
    var generator = SeededGenerator(seed: seed ?? 0)
    return try Allocators.named(allocator, law: law).allocate(
      AllocationProblem(table: table, budget: Budget(experts: budget)), using: &generator)
  }
}

extension Allocation {
  /// The output of `assay allocate`; ledgers sorted, units in the order of the table.
  public var json: JSONValue {
    [
      "allocator": JSONValue(allocator),
      "plan": .object(
        JSONObject(plan.entries.map { ($0.unit, JSONValue($0.bits)) })),
      "objective": objective.map { JSONValue($0) } ?? .null,
      "bits": .object(
        JSONObject(bits.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) })),
      "forced": JSONValue(forced),
      "slackBits": JSONValue(slackBits),
    ]
  }
}
