import ArgumentParser
import Experiments
import Foundation
import JSON
import Quantization
import Reconstruction
import Reports

struct StructureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "structure",
    abstract: "Measure what each part of a model loses when it alone is quantized.",
    discussion: """
      Layers, projections, experts, single matrices, tenths of the neurons and attention: each is \
      quantized alone, everything else staying in full precision, and the KL from the full-precision \
      model is measured on windows of a text. What is printed then: loss saved per byte, projections \
      against each other, a regression on properties of the parts, which sensitivity orders parts as \
      the measurement does, and whether losses add up.

      Given a table that was measured before in place of a model, it prints that again.

      Examples:
        assay structure models/mixtral --calibration calib --text validation.txt --out structure.h5
        assay structure structure.h5 --format md
        assay structure structure.h5 --only additivity
      """)

  enum Method: String, ExpressibleByArgument, CaseIterable {
    case rtn, gptq
  }

  @Argument(help: "Model folder, or a table in .h5.", completion: .file())
  var model: String

  @Option(
    help:
      "Folder that `assay calibrate` wrote; with --routing-weighted there are more sensitivities.",
    completion: .directory)
  var calibration: String?

  @Option(
    help: "Text that divergences are measured on, disjoint from calibration; plain or .gz.",
    completion: .file())
  var text: String?

  @OptionGroup var window: WindowOptions

  @Option(help: "Windows drawn from the text.")
  var sequences = 8

  @Option(help: "Seed of the draw.")
  var seed: UInt64 = 0

  @OptionGroup var compute: ComputeOption

  @Option(help: "Whole bits, rising, separated by commas.")
  var levels = "2,3,4"

  @Option(
    help: """
      Kind of parts: layer, projection, expert, matrix, decile, attention; repeat for more. All if \
      left out.
      """)
  var part: [StructureUnit.Kind] = []

  @Option(help: "Base quantizer: rtn or gptq.")
  var method = Method.gptq

  @OptionGroup(title: "Grids") var grids: GridOptions

  @Option(help: "Table to write, .h5.", completion: .file())
  var out: String?

  @Option(help: "Print only the table of this name.")
  var only: String?

  @OptionGroup var format: FormatOption

  private var isTable: Bool { URL(filePath: model).pathExtension == "h5" }

  func validate() throws {
    if let out, URL(filePath: out).pathExtension != "h5" {
      throw ValidationError("--out \(out): name a file that ends in .h5.")
    }
    if isTable {
      guard out == nil, text == nil, calibration == nil else {
        throw ValidationError("\(model) is a table; --calibration, --text and --out are of models.")
      }
      return
    }
    guard calibration != nil, text != nil, out != nil else {
      throw ValidationError("A model needs --calibration, --text and --out.")
    }
    try SpecRange.check(sequences, "--sequences", as: "structure.text.sequences")
    _ = try wholeLevels
  }

  private var wholeLevels: [Int] {
    get throws {
      let set = try SpecRange.levels(levels, "--levels")
      guard set.levels.allSatisfy({ $0.parts.count == 1 }) else {
        throw ValidationError("--levels \(levels): parts are quantized at whole bits.")
      }
      return set.wholeBits
    }
  }

  func run() throws {
    let table =
      isTable ? try StructureTable(hdf5: URL(filePath: model)) : try measured()
    var result = try StructureAnalysis(table).result()
    if let only {
      let names = result.tables.map(\.name)
      guard names.contains(only) else {
        throw UnusableArgument("--only \(only): the tables are \(names.joined(separator: ", ")).")
      }
      result.tables.removeAll { $0.name != only }
      result.figures = []
    }
    switch format.format {
    case .json:
      try StandardOutput.write(PrettyJSON.text(try JSONValue(encoding: result), sortingKeys: false))
    case .csv:
      var rows = DataTable(["table", "row", "column", "value", "low", "high"])
      for row in result.tables.flatMap(\.csvRows) { rows.append(row.map { JSONValue($0) }) }
      try StandardOutput.write(rows.text(.csv))
    case .text, .md:
      try StandardOutput.write(result.tables.map(\.markdown).joined(separator: "\n"))
    }
  }

  private func measured() throws -> StructureTable {
    guard let calibration, let text, let out else {
      preconditionFailure("validate() asks for them")
    }
    let (levels, folder) = (try wholeLevels, try CalibrationFolder.url(calibration, of: model))
    let stage = StructureStage(
      model: URL(filePath: model), levels: levels,
      kinds: Set(part.isEmpty ? StructureUnit.Kind.allCases : part),
      text: StructureStage.Text(
        corpora: [URL(filePath: text)], format: window.textFormat, sequences: sequences,
        context: window.context), precision: compute.precision, seed: seed)
    let method = QuantizationMethod(
      solver: method == .gptq
        ? .gptq(
          GPTQOptions(), minimumTokens: QuantizationMethod.defaultMinimumTokens,
          routingWeighted: false) : .roundToNearest, grids: grids.family)
    let options = MeasureStage.Options(
      levels: try SpecRange.levels(self.levels, "--levels"), grids: grids.family)
    try SingleStage.write(file: URL(filePath: out)) { url, _ in
      try stage.table(
        method: method, options: options, calibration: folder, outputs: nil,
        in: url.deletingLastPathComponent(), progress: StepProgress.show
      ).write(to: url)
    }
    return try StructureTable(hdf5: URL(filePath: out))
  }
}

extension StructureUnit.Kind: ExpressibleByArgument {}
