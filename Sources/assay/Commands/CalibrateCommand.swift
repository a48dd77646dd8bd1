import ArgumentParser
import Experiments
import Foundation

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate", abstract: "Write a model's expert statistics and Hessians.",
    discussion: """
      One HDF5 file a layer: packed triangles of Σ x xᵀ for the inputs of attention and of every
      expert, token counts, routing weights, channel maxima and second moments.

      Example:
        assay calibrate models/mixtral --text c4.txt --sequences 128 --context 2048 --out calib
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @OptionGroup var text: TextOptions
  @OptionGroup var compute: ComputeOption

  @Option(help: "Windows drawn from the text.")
  var sequences = 64

  @Option(help: "Seed of the draw.")
  var seed: UInt64 = 0

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  func validate() throws {
    guard sequences > 0 else { throw ValidationError("--sequences \(sequences): at least 1.") }
  }

  func run() throws {
    let stage = CalibrateStage(
      model: URL(filePath: model), corpus: text.url, format: text.textFormat,
      sequences: sequences, context: text.context, precision: compute.precision, seed: seed)
    try SingleStage.write(to: URL(filePath: out), stage.write)
  }
}
