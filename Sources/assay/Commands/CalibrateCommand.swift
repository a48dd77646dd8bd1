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

  @OptionGroup var sample: SampleOptions

  @Flag(help: "Keep sums weighted by the squared routing weight too.")
  var routingWeighted = false

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  func run() throws {
    let stage = sample.stage(
      model: URL(filePath: model), text: text.url, window: text.window,
      routingWeighted: routingWeighted, precision: compute.precision)
    try SingleStage.write(to: URL(filePath: out), stage.write)
  }
}
