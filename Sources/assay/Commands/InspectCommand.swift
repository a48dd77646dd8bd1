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
      Every tensor of the files is accounted for: what belongs to no part is listed as such. For a
      quantized folder, bits are counted from the stored tensors. Exit code 2 if tensors are missing or
      have other shapes than config.json asks for.

      Example:
        assay inspect experiments/reference-model
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @OptionGroup var format: FormatOption

  func run() throws {
    let inventory = try ModelInventory(URL(filePath: model))
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
