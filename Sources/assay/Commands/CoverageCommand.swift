import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import JSON
import Reconstruction

struct CoverageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage", abstract: "Say how well a calibration covers each expert.",
    discussion: """
      Tokens, routing weight, and condition estimates of the damped Hessians; with --quantized also
      the damping that GPTQ took and what was rounded to nearest instead.

      Example:
        assay coverage calib --model models/olmoe --quantized olmoe-3bit
      """)

  @Argument(help: "Folder that `assay calibrate` wrote.", completion: .directory)
  var calibration: String

  @Option(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Folder that `assay quantize` wrote.", completion: .directory)
  var quantized: String?

  @Option(help: "Relative damping of the condition estimates; 0 leaves them out.")
  var damping = 0.01

  @OptionGroup var format: FormatOption

  func validate() throws { try SpecRange.check(damping, "--damping", as: "quantizer.damping") }

  func run() throws {
    let checkpoint = try Checkpoint(URL(filePath: model))
    let modules = try quantized.map { try QuantizeStage.modules(in: URL(filePath: $0)) } ?? []
    let rows = try CoverageReport.rows(
      checkpoint.configuration, calibration: CalibrationFolder.url(calibration, of: model),
      modules: modules, damping: damping > 0 ? damping : nil)
    var columns = ["unit", "tokens", "share", "weight", "gateUpCondition", "downCondition"]
    if quantized != nil { columns += ["damping", "fallbacks"] }
    var table = DataTable(columns)
    for row in rows {
      var cells = [
        JSONValue(row.unit), JSONValue(row.tokens), JSONValue(row.share), JSONValue(row.weight),
        row.gateUpCondition.map { JSONValue($0) } ?? .null,
        row.downCondition.map { JSONValue($0) } ?? .null,
      ]
      if quantized != nil {
        cells += [
          row.damping.map { JSONValue($0) } ?? .null,
          JSONValue(row.fallbacks.joined(separator: " ")),
        ]
      }
      table.append(cells)
    }
    try StandardOutput.write(table.text(format.format))
  }
}
