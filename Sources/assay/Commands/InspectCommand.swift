import ArgumentParser
import BitAllocation
import Checkpoints
import Experiments
import Foundation
import JSON
import MoEModels

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Say what a model folder holds.",
    discussion: """
      Every tensor of the files is accounted for: what belongs to no part is listed as such. Exit code 2
      if tensors are missing or have other shapes than config.json asks for.

      For a quantized folder every bit of the file is counted from the stored tensors, whatever
      modules.json says: by what it holds, and in every ledger. Where modules.json says otherwise, the
      places are named and the exit code is 2. --show picks one table:

        parts    tensors, parameters and bytes by part of the model
        bits     codes, scales, zeros, codebooks, orders, sparse parts, padding, header
        ledgers  every ledger, from the stored tensors and from modules.json
        modules  what was done to each module
        axes     what an adaptive axis decided, and what either side would have cost

      Examples:
        assay inspect experiments/reference-model
        assay inspect mixtral-2.5bit --show bits --format csv
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  enum Table: String, ExpressibleByArgument, CaseIterable {
    case parts, bits, ledgers, modules, axes
  }

  @Option(help: "Quantized folders: one table alone: parts, bits, ledgers, modules or axes.")
  var show: Table?

  @OptionGroup var format: FormatOption

  func run() throws {
    let folder = URL(filePath: model)
    let inspection = try quantized(folder)
    if let show, show != .parts {
      guard let inspection else {
        throw UnusableArgument("\(model) is not quantized; it has parts only.")
      }
      try StandardOutput.write(inspection.table(show).text(format.format))
      return try check(inspection)
    }
    try writeParts(folder)
    guard let inspection else { return }
    if format.format == .text, show == nil {
      for table in [inspection.bits, inspection.ledgers] {
        try StandardOutput.writeLine("")
        try StandardOutput.write(table.text(.text))
      }
      if inspection.reports == nil {
        try StandardOutput.writeLine("\nThere is no modules.json to compare with.")
      }
    }
    try check(inspection)
  }

  /// nil for a folder in full precision.
  private func quantized(_ folder: URL) throws -> QuantizedInspection? {
    guard QuantizedCheckpoint.isQuantized(folder) else { return nil }
    let hasReports = FileManager.default.fileExists(
      atPath: folder.appending(path: "modules.json").path)
    return QuantizedInspection(
      recount: try BitRecount(QuantizedCheckpoint(folder)),
      reports: hasReports ? try QuantizeStage.modules(in: folder) : nil)
  }

  private func check(_ inspection: QuantizedInspection) throws {
    guard let first = inspection.differences.first else { return }
    if format.format == .text {
      for line in inspection.differences { try StandardOutput.writeLine("disagrees: \(line)") }
    }
    let others = inspection.differences.count - 1
    throw UnusableArgument(
      "\(model): modules.json does not tell what is stored; \(first)"
        + (others > 0 ? ", and \(others) more." : "."))
  }

  private func writeParts(_ folder: URL) throws {
    let inventory = try ModelInventory(folder)
    var table = DataTable(["part", "tensors", "parameters", "bytes", "bitsPerWeight"])
    for part in inventory.parts {
      table.append([
        JSONValue(part.name), JSONValue(part.tensors), JSONValue(part.parameters),
        JSONValue(part.bytes),
        JSONValue((Double(part.bytes) * 8 / Double(max(part.parameters, 1)) * 1e4).rounded() / 1e4),
      ])
    }
    if format.format == .text {
      try StandardOutput.writeLine(inventory.headline)
      if let bits = inventory.bitsHistogram { try StandardOutput.writeLine(bits) }
      try StandardOutput.writeLine("")
    }
    try StandardOutput.write(table.text(format.format))
    let problems =
      inventory.missing.map { "missing: \($0)" } + inventory.misshapen.map { "wrong shape: \($0)" }
    if format.format == .text {
      for name in inventory.unaccounted { try StandardOutput.writeLine("unaccounted: \(name)") }
      for problem in problems { try StandardOutput.writeLine(problem) }
    }
    guard let first = problems.first else { return }
    throw UnusableArgument(
      "\(model): config.json and the weights do not belong together; \(first)"
        + (problems.count > 1 ? ", and \(problems.count - 1) more." : "."))
  }
}

extension QuantizedInspection {
  fileprivate func table(_ show: InspectCommand.Table) -> DataTable {
    switch show {
    case .bits, .parts: bits
    case .ledgers: ledgers
    case .modules: modules
    case .axes: axes
    }
  }
}
