import ArgumentParser
import BitAllocation
import Checkpoints
import Experiments
import Foundation
import Sensitivity

struct MeasureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure", abstract: "Write a model's sensitivity table.",
    discussion: """
      Units are experts, their projections, or layers. Losses and routing scores need a calibration;
      weight outliers do not. Every level carries, beside its base loss, what other sensitivities
      (second-order, hawq-trace, weight-mse, output, pmq) make of it.

      Examples:
        assay measure models/mixtral --calibration calib --out table.h5
        assay measure models/mixtral --levels 2,3,4 --out table.json
        assay measure models/mixtral --calibration calib --granularity projection \\
          --attention tied --error gptq --out table.h5
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Folder that `assay calibrate` wrote.", completion: .directory)
  var calibration: String?

  @Option(help: "Bits, rising, separated by commas.")
  var levels = "2,3,4"

  @Option(help: "What a unit is: layer, expert or projection.")
  var granularity = ExpertMeasurement.Granularity.expert

  @Option(help: "Units of attention: none, separate, or tied (q, k and v at one level).")
  var attention = ExpertMeasurement.AttentionUnits.none

  @Option(help: "Whose rounding error makes the losses: rtn or gptq.")
  var error = WeightError.rtn

  @Option(help: "What makes losses of layers comparable: relative or none.")
  var scale = ExpertMeasurement.Scale.relative

  @Option(help: "α of (n/N)^α on the base loss.")
  var frequencyExponent = 0.0

  @Option(help: "β of mean(w)^β on the base loss.")
  var weightExponent = 0.0

  @Option(help: "Units that fewer calibration tokens reach are marked.")
  var minimumTokens = 32

  @OptionGroup(title: "Grids") var grids: GridOptions

  @Option(help: "File to write: .h5, or .json for exchange.", completion: .file())
  var out: String

  enum WeightError: String, ExpressibleByArgument, CaseIterable {
    case rtn, gptq
  }

  func validate() throws {
    guard ["h5", "json"].contains(URL(filePath: out).pathExtension) else {
      throw ValidationError("--out \(out): name a file that ends in .h5 or .json.")
    }
    _ = try bits
  }

  private var bits: [Int] { get throws { try SpecRange.levels(levels, "--levels") } }

  func run() throws {
    var options = MeasureStage.Options(
      levels: try bits.map(Double.init), grids: grids.family)
    options.granularity = granularity
    options.error = error == .gptq ? .gptq : .rtn
    options.scale = scale
    options.factors = ExpertMeasurement.LossFactors(
      frequency: frequencyExponent, routingWeight: weightExponent)
    options.scores =
      calibration == nil ? [.weightOutlier] : Set(ExpertMeasurement.Score.allCases)
    var measurement = options.measurement(try Checkpoint(URL(filePath: model)))
    measurement.calibration = try calibration.map(CalibrationFolder.url)
    measurement.attention = attention
    measurement.minimumTokens = minimumTokens
    try SingleStage.write(file: URL(filePath: out)) { [measurement] url, progress in
      let table = try measurement.table {
        progress(Double($0) / Double($1), "layer \($0) of \($1)")
      }
      if url.pathExtension == "h5" {
        try table.write(to: url)
      } else {
        try table.json().write(to: url)
      }
    }
  }
}

extension ExpertMeasurement.Granularity: ExpressibleByArgument {}
extension ExpertMeasurement.AttentionUnits: ExpressibleByArgument {}
extension ExpertMeasurement.Scale: ExpressibleByArgument {}
