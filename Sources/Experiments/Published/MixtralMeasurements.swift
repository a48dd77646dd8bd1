import BitAllocation
import Foundation
import JSON

/// Published allocations of real Mixtral-8x7B, recomputed from the published measurements that they
/// were made of (METHODS §2.7), and optima of an independent solver. The folder is given, because
/// its files state no licence.
struct MixtralMeasurements {
  let folder: URL

  private static let source = "MC-MoE PMQ, Mixtral-8x7B"
  /// Global optima of Σ bits = 32 · B without floors, B = 12…20.
  private static let globalOptima = [
    16_898_516.337, 15_551_102.208, 14_344_671.169, 13_293_795.943, 12_449_783.917,
    11_817_719.964, 11_381_490.772, 11_039_838.769, 10_772_591.498,
  ]

  static func skipped() -> [PublishedCheck] {
    ["288 published layers", "9 global optima", "optima of an independent solver"].map {
      PublishedCheck(skipped: source, $0, because: "give --measurements FOLDER")
    }
  }

  func checks() throws -> [PublishedCheck] {
    let table = try table("mixtral-pmq.table.json")
    let published = try data("mixtral-8x7b.json")
    return try (12...20).map { try rows(of: $0, table, published) }
      + (12...20).map { try globalOptimum(of: $0, table) } + independentOptima()
  }

  /// 32 layers at B bits for 8 experts, at least one expert at 3 and one at 2 bits.
  private func rows(
    of bits: Int, _ table: SensitivityTable, _ published: Data
  ) throws -> PublishedCheck {
    let expected = try Plan(
      importing: published, as: .matrix,
      at: JSONPointer(["pmq_solution_by_total_bits", "\(bits)"]))
    let found = try PMQAllocator().allocate(
      AllocationProblem(table: table, budget: Budget(experts: Double(bits) / 8)), seed: 0
    ).plan
    let equal = (0..<32).count { layer in
      expected.entries[8 * layer..<8 * layer + 8].map(\.bits)
        == found.entries[8 * layer..<8 * layer + 8].map(\.bits)
    }
    return PublishedCheck(
      Self.source, "layers at \(bits) bits for 8 experts", published: "32 of 32",
      found: "\(equal) of 32", holds: equal == 32)
  }

  private func globalOptimum(of bits: Int, _ table: SensitivityTable) throws -> PublishedCheck {
    let best = try ExactAllocator().allocate(
      AllocationProblem(table: table, budget: Budget(experts: Double(bits) / 8)), seed: 0)
    let (expected, found) = (Self.globalOptima[bits - 12], best.objective ?? .nan)
    return PublishedCheck(
      Self.source, "global optimum at \(bits) bits for 8 experts",
      published: String(format: "%.3f", expected), found: String(format: "%.3f", found),
      holds: abs(found - expected) < 1e-3)
  }

  private func independentOptima() throws -> [PublishedCheck] {
    let name = "published-optima.json"
    guard let entries = try JSONParser.parse(data(name)).arrayValue else {
      throw PublishedError.unreadable(path: folder.appending(path: name).path)
    }
    return try entries.map { entry in
      guard let file = entry["table"]?.stringValue, let expected = entry["objective"]?.doubleValue,
        let arguments = entry["args"]?.arrayValue?.compactMap(\.stringValue)
      else { throw PublishedError.unreadable(path: folder.appending(path: name).path) }
      let problem = try problem(table(file), arguments)
      let found = try ExactAllocator().allocate(problem, seed: 0).objective ?? .nan
      return PublishedCheck(
        "independent solver, \(file.prefix { $0 != "." })", arguments.joined(separator: " "),
        published: CanonicalJSON.number(expected), found: CanonicalJSON.number(found),
        holds: abs(found - expected) <= 1e-9 * abs(expected))
    }
  }

  /// As `assay allocate` reads these arguments.
  private func problem(
    _ table: SensitivityTable, _ arguments: [String]
  ) throws -> AllocationProblem {
    var problem = AllocationProblem(table: table, budget: Budget(bounds: []))
    for (option, value) in zip(arguments, arguments.dropFirst()) {
      let parts = value.split(separator: "=").map(String.init)
      switch option {
      case "--budget":
        problem.budget.bounds.append(
          Budget.Bound(
            parts.count > 1 ? Budget.Quantity(name: parts[0]) : .experts,
            Double(parts[parts.count - 1]) ?? .nan))
      case "--scope": problem.scope = AllocationProblem.Scope(rawValue: value) ?? .model
      case "--require":
        problem.requirements.append(
          AllocationProblem.Requirement(
            bits: Double(parts[0]) ?? .nan, count: Int(parts[parts.count - 1]) ?? 0))
      default: break
      }
    }
    return problem
  }

  private func table(_ name: String) throws -> SensitivityTable {
    try SensitivityTable(json: data(name))
  }

  private func data(_ name: String) throws(PublishedError) -> Data {
    let url = folder.appending(path: name)
    guard let data = FileManager.default.contents(atPath: url.path) else {
      throw .missing(path: url.path)
    }
    return data
  }
}

/// Why published inputs cannot be read.
public enum PublishedError: Error, Equatable, CustomStringConvertible {
  case missing(path: String)
  case unreadable(path: String)

  public var description: String {
    switch self {
    case .missing(let path):
      "\(path) is not there; --measurements names the folder that holds mixtral-8x7b.json, "
        + "published-optima.json and their tables."
    case .unreadable(let path):
      "\(path): not in the expected form."
    }
  }
}
