import ArgumentParser
import Calibration
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

  @Option(
    help: """
      windows: start anywhere; gptq: as Python's generator has it in GPTQ's code; documents: one \
      window of each document that is long enough, empty lines being between documents.
      """)
  var sampling = CalibrationSample.Sampling.windows

  @Option(help: "Tokens behind an expert's statistics: routed-only, all or mixture.")
  var tokens = CalibrationTokens.routed

  @Option(help: "mixture: share of the mean over all tokens.")
  var mixture = 0.5

  @Flag(help: "Keep sums weighted by the squared routing weight too.")
  var routingWeighted = false

  @Option(help: "What is kept of the Hessians: full, block-diagonal or diagonal.")
  var hessian = HessianStorage.full

  @Option(help: "block-diagonal: channels of a block.")
  var hessianBlock = 128

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  func validate() throws {
    try SpecRange.check(mixture, "--mixture", as: "calibration.mixture")
    try SpecRange.check(hessianBlock, "--hessian-block", as: "calibration.hessianBlock")
    try SpecRange.check(sequences, "--sequences", as: "calibration.sequences")
  }

  private var options: CalibrationOptions {
    CalibrationOptions(
      tokens: tokens.policy(mixture: mixture), routingWeighted: routingWeighted,
      storage: hessian.storage(block: hessianBlock))
  }

  func run() throws {
    let stage = CalibrateStage(
      model: URL(filePath: model), corpora: [CalibrateStage.Corpus(url: text.url)],
      format: text.textFormat, sequences: sequences, context: text.context, sampling: sampling,
      options: options,
      precision: compute.precision, seed: seed)
    try SingleStage.write(to: URL(filePath: out), stage.write)
  }
}

extension CalibrationSample.Sampling: ExpressibleByArgument {}
extension CalibrationTokens: ExpressibleByArgument {}
extension HessianStorage: ExpressibleByArgument {}
