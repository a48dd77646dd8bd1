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
      Units are experts. Losses and routing scores need a calibration; weight outliers do not.

      Examples:
        assay measure models/mixtral --calibration calib --out table.h5
        assay measure models/mixtral --levels 2,3,4 --out table.json
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Folder that `assay calibrate` wrote.", completion: .directory)
  var calibration: String?

  @Option(help: "Bits, rising, separated by commas.")
  var levels = "2,3,4"

  @OptionGroup var group: GroupSizeOption

  @Flag(help: "Grids without a zero point.")
  var symmetric = false

  @Option(help: "File to write: .h5, or .json for exchange.", completion: .file())
  var out: String

  func validate() throws {
    guard ["h5", "json"].contains(URL(filePath: out).pathExtension) else {
      throw ValidationError("--out \(out): name a file that ends in .h5 or .json.")
    }
    _ = try bits
  }

  private var bits: [Int] { get throws { try SpecRange.levels(levels, "--levels") } }

  func run() throws {
    let measurement = ExpertMeasurement(
      checkpoint: try Checkpoint(URL(filePath: model)), levels: try bits,
      groupSize: group.value, symmetric: symmetric,
      calibration: calibration.map { URL(filePath: $0) },
      scores: calibration == nil ? [.weightOutlier] : Set(ExpertMeasurement.Score.allCases))
    try SingleStage.write(file: URL(filePath: out)) { url, progress in
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
