import ArgumentParser
import Calibration
import Experiments
import Foundation
import Tensors

struct GradientsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gradients", abstract: "Write a model's Fisher diagonals and slopes of outputs.",
    discussion: """
      One pass forth and back over windows of a text, layer by layer, in f32. One HDF5 file a layer: \
      the diagonal of the empirical Fisher information of every projection, and the slopes of the \
      loss at the layer's output. `assay measure --gradients` makes sensitivities of them.

      Example:
        assay gradients models/mixtral --text c4.txt --sequences 16 --context 512 --out gradients
        assay measure models/mixtral --calibration calib --gradients gradients --out table.h5
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @OptionGroup var text: TextOptions

  @Option(help: "Windows drawn from the text.")
  var sequences = 64

  @Option(help: "Seed of the draw.")
  var seed: UInt64 = 0

  @Option(help: "How windows are drawn: windows, gptq or documents.")
  var sampling = CalibrationSample.Sampling.windows

  @Option(help: "What is kept: all, fisher or slopes.")
  var keep = Kept.all

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  enum Kept: String, ExpressibleByArgument, CaseIterable {
    case all, fisher, slopes
  }

  func validate() throws {
    try SpecRange.check(sequences, "--sequences", as: "calibration.sequences")
  }

  func run() throws {
    let windows = CalibrateStage(
      model: URL(filePath: model), corpora: [CalibrateStage.Corpus(url: text.url)],
      format: text.window.textFormat, sequences: sequences, context: text.window.context,
      sampling: sampling, precision: .f32, seed: seed)
    let stage = GradientStage(
      windows: windows,
      options: GradientWriter.Options(fisher: keep != .slopes, outputSlopes: keep != .fisher))
    try SingleStage.write(to: URL(filePath: out), stage.write)
  }
}
