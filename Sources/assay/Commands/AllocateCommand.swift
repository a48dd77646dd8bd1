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
      The table is HDF5 (`assay measure`) or JSON. Prints the plan with its objective and ledgers;
      `assay quantize --plan` reads the JSON.

      Examples:
        assay allocate table.h5 --allocator frequency --budget 2.5
        assay allocate table.json --allocator random --budget 3 --seed 1 --format json > plan.json
      """)

  enum Law: String, ExpressibleByArgument, CaseIterable {
    case fill
    case twoLevel = "two-level"
  }

  @Argument(help: "Sensitivity table.", completion: .file(extensions: ["h5", "json"]))
  var table: String

  @Option(help: "\(Allocators.names.joined(separator: ", ")).")
  var allocator: String

  @Option(help: "Mean code bits per weight over all units.")
  var budget: Double

  @Option(help: "How scores become a plan: fill, or two-level (lowest and highest level).")
  var law: Law?

  @Option(help: "Seed of random allocation.")
  var seed: UInt64 = 0

  @OptionGroup var format: FormatOption

  func validate() throws { try SpecRange.check(budget, "--budget", as: "budget.experts") }

  func run() throws {
    let table = try SensitivityTable(reading: URL(filePath: self.table))
    let start = ContinuousClock.now
    let allocation = try AllocateStage(
      allocator: allocator, law: rankLaw(table), budget: budget, seed: seed
    ).allocation(of: table)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard format.format != .json else {
      guard var object = allocation.json.objectValue else { return }
      object["seconds"] = JSONValue(seconds)
      try StandardOutput.write(PrettyJSON.text(.object(object), sortingKeys: false))
      return
    }
    var rows = DataTable(["unit", "bits"])
    for entry in allocation.plan.entries {
      rows.append([JSONValue(entry.unit), JSONValue(entry.bits)])
    }
    try StandardOutput.write(rows.text(format.format))
    guard format.format == .text else { return }
    let ledgers = allocation.bits.sorted { $0.key < $1.key }
      .map { "\($0.key) \(CanonicalJSON.number($0.value))" }.joined(separator: ", ")
    try StandardOutput.writeLine(
      "\(allocation.allocator): \(ledgers)\(allocation.forced ? ", forced" : "")")
    if let objective = allocation.objective {
      try StandardOutput.writeLine("objective \(CanonicalJSON.number(objective))")
    }
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
