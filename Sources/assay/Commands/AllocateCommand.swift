import ArgumentParser
import BitAllocation
import Experiments
import Foundation
import JSON
import Sensitivity

struct AllocateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allocate", abstract: "Spend a bit budget on the units of a sensitivity table.",
    discussion: """
      The table is HDF5 (`assay measure`) or JSON. Prints the plan with its objective, the bound that
      no plan can pass, and every ledger; `assay quantize --plan` reads the JSON.

      A budget is mean code bits of experts, or NAME=VALUE: attention, a ledger such as
      paper-code-bits or with-metadata, bytes, or a resource of the table such as latency-ms. Several
      budgets hold together.

      Of a table of neurons, blocks of neurons are allocated; the plan has slices of each expert, those
      of more bits first.

      Examples:
        assay allocate table.h5 --allocator exact --budget 2.5
        assay allocate neurons.h5 --allocator exact --budget 2.5 --format json > plan.json
        assay allocate table.json --allocator exact --budget latency-ms=3.69
        assay allocate table.json --allocator exact --budget 2.5 --scope layer --require 3=1
        assay allocate table.h5 --allocator evolutionary --budget 2.5 --generations 500 --seed 1 \\
          --format json > plan.json
      """)

  enum Law: String, ExpressibleByArgument, CaseIterable {
    case fill
    case twoLevel = "two-level"
  }

  @Argument(help: "Sensitivity table.", completion: .file(extensions: ["h5", "json"]))
  var table: String

  @Option(help: "\(Allocators.names.joined(separator: ", ")).")
  var allocator: String

  @Option(help: "Mean code bits of experts, or NAME=VALUE; may be given several times.")
  var budget: [String]

  @Option(help: "One budget for all units (model), or the same in each layer (layer).")
  var scope = AllocationProblem.Scope.model

  @Option(help: "BITS=COUNT: at least COUNT units at that level in each scope.")
  var require: [String] = []

  @Option(help: "Least bits of a unit.")
  var floor: Double?

  @Option(help: "Most bits of a unit.")
  var ceiling: Double?

  @Option(help: "Losses of the table to minimize, such as hawq-trace; the base loss if left out.")
  var sensitivity: String?

  @Option(help: "How scores become a plan: fill, or two-level (lowest and highest level).")
  var law: Law?

  @Option(help: "Seed of random allocation and of searches.")
  var seed: UInt64 = 0

  @OptionGroup(title: "Searches") var search: SearchOptionGroup

  @Option(help: "Tables of neurons: neurons of a block.")
  var blockSize = 32

  @OptionGroup var format: FormatOption

  func validate() throws {
    try SpecRange.check(blockSize, "--block-size", as: "allocation.blockSize")
    for text in budget { _ = try Self.bound(text) }
    for text in require { _ = try Self.requirement(text) }
  }

  func run() throws {
    let url = URL(filePath: self.table)
    if url.pathExtension == "h5", try NeuronTable.isNeuronTable(url) {
      return try allocate(NeuronTable(hdf5: url))
    }
    let table = try SensitivityTable(reading: url)
    let options = try self.options(table)
    let start = ContinuousClock.now
    let allocation = try options.allocation(of: table, seed: seed)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard format.format != .json else {
      return try write(allocation.json(for: table), seconds: seconds)
    }
    let few = Set(table.units.filter(\.hasFewTokens).map(\.id))
    var rows = DataTable(["unit", "bits"] + (few.isEmpty ? [] : ["few tokens"]))
    for entry in allocation.plan.entries {
      rows.append(
        [JSONValue(entry.unit), JSONValue(entry.bits)]
          + (few.isEmpty ? [] : [JSONValue(few.contains(entry.unit) ? "yes" : "")]))
    }
    try StandardOutput.write(rows.text(format.format))
    guard format.format == .text else { return }
    for line in summary(of: allocation, seconds: seconds) { try StandardOutput.writeLine(line) }
  }

  private func allocate(_ table: NeuronTable) throws {
    let blocks = try table.blockTable(size: blockSize)
    let options = try self.options(blocks)
    let start = ContinuousClock.now
    let found = try options.allocation(of: blocks, seed: seed)
    let allocation = BlockAllocation(found, of: table, blockSize: blockSize)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard format.format != .json else { return try write(allocation.json(), seconds: seconds) }
    var rows = DataTable(["unit", "bits", "slices"])
    for entry in allocation.plan.entries {
      let neurons = entry.slices.reduce(0) { $0 + $1.neurons }
      let bits = entry.slices.reduce(0) { $0 + $1.bits * $1.neurons }
      rows.append([
        JSONValue(entry.unit), JSONValue(Double(bits) / Double(neurons)),
        JSONValue(entry.slices.map { "\($0.neurons)×\($0.bits)" }.joined(separator: " + ")),
      ])
    }
    try StandardOutput.write(rows.text(format.format))
    guard format.format == .text else { return }
    for line in summary(of: found, seconds: seconds) { try StandardOutput.writeLine(line) }
    try StandardOutput.writeLine(
      "in rank order: expert-code-bits \(CanonicalJSON.number(allocation.bits))"
        + (allocation.loss.map { ", objective \(CanonicalJSON.number($0))" } ?? ""))
  }

  private func write(_ json: JSONValue, seconds: Double) throws {
    guard var object = json.objectValue else { return }
    object["seconds"] = JSONValue(seconds)
    try StandardOutput.write(PrettyJSON.text(.object(object), sortingKeys: false))
  }

  private func options(_ table: SensitivityTable) throws -> AllocateStage.Options {
    var options = AllocateStage.Options(
      allocator: allocator, budget: Budget(bounds: try budget.map(Self.bound)))
    options.law = rankLaw(table)
    options.scope = scope
    options.requirements = try require.map(Self.requirement)
    let (low, high) = (floor ?? 0, ceiling ?? .infinity)
    guard low <= high else {
      throw UnusableArgument("--floor \(low) is above --ceiling \(high).")
    }
    options.bits = low...high
    options.sensitivity = sensitivity
    options.search = search.options
    return options
  }

  private static func bound(_ text: String) throws -> Budget.Bound {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard let value = parts.last.flatMap({ Double($0) }), value.isFinite, value > 0 else {
      throw ValidationError(
        "--budget \(text): give bits above 0, such as 2.5, or a name and a value, such as "
          + "latency-ms=3.69.")
    }
    return Budget.Bound(parts.count == 1 ? .experts : Budget.Quantity(name: parts[0]), value)
  }

  private static func requirement(_ text: String) throws -> AllocationProblem.Requirement {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, let bits = Double(parts[0]), let count = Int(parts[1]), count > 0 else {
      throw ValidationError("--require \(text): give a level and a count, such as 3=1.")
    }
    return AllocationProblem.Requirement(bits: bits, count: count)
  }

  private func summary(of allocation: Allocation, seconds: Double) -> [String] {
    func number(_ value: Double) -> String { CanonicalJSON.number(value) }
    let ledgers = allocation.bits.sorted { $0.key < $1.key }
      .map { "\($0.key) \(number($0.value))" }.joined(separator: ", ")
    var lines = [
      "\(allocation.allocator)\(allocation.solver.map { ", \($0)" } ?? "")"
        + "\(allocation.forced ? ", forced" : ""), \(String(format: "%.3f", seconds)) s",
      ledgers,
    ]
    for limit in allocation.limits.prefix(4) {
      lines.append(
        "budget \(limit.name): \(number(limit.used)) of \(number(limit.bound)), "
          + "\(String(format: "%.6g", limit.slack)) left")
    }
    if allocation.limits.count > 4 {
      lines.append("… and \(allocation.limits.count - 4) more budgets, all kept")
    }
    if let certificate = allocation.certificate {
      lines.append(
        "objective \(number(certificate.objective)), bound \(number(certificate.lowerBound)), "
          + String(format: "gap %.3g %%", 100 * certificate.gap)
          + (!certificate.isOptimal
            ? ""
            : certificate.gap > 1e-9 ? "; no plan is better, the bound divides units" : ", optimal")
      )
      for price in certificate.prices.prefix(4) {
        lines.append(String(format: "price of %@: %.4g a %@", price.budget, price.loss, price.unit))
      }
      if certificate.prices.count > 4 {
        lines.append("… and prices of \(certificate.prices.count - 4) more budgets")
      }
      if let free = certificate.freeUnits {
        lines.append(
          "\(free) of \(allocation.plan.entries.count) units could change level for less than "
            + "0.1 % of the objective")
      }
    }
    if let search = allocation.search {
      lines.append(
        "search: \(search.evaluations) evaluations, \(search.generations.count - 1) generations, "
          + "ended by \(search.stop.rawValue)")
      for rival in search.rivals {
        lines.append(
          "  beside it \(rival.name): \(number(rival.fitness))"
            + (rival.evaluations.map { " after \($0) evaluations" } ?? ""))
      }
    }
    return lines
  }

  private func rankLaw(_ table: SensitivityTable) -> RankLaw? {
    let levels = table.units.first?.levels.map(\.bits) ?? []
    return switch law {
    case nil: nil
    case .fill: .fill
    case .twoLevel: .twoLevel(low: levels.min() ?? 0, high: levels.max() ?? 0)
    }
  }
}

extension AllocationProblem.Scope: ExpressibleByArgument {}

extension SensitivityTable {
  /// Reads HDF5 or JSON, by the file's name.
  init(reading url: URL) throws {
    if url.pathExtension == "h5" {
      try self.init(hdf5: url)
    } else {
      let data: Data
      do { data = try FileContents.read(url) } catch {
        throw UnusableArgument("\(error) Name a table in .h5 or .json.")
      }
      do { try self.init(json: data) } catch {
        throw UnusableArgument("\(url.path): \(error)")
      }
    }
  }
}
