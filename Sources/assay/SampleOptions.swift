import ArgumentParser
import Calibration
import Experiments
import Foundation
import Tensors

/// Which windows of a text statistics are made of, and what is kept of them.
struct SampleOptions: ParsableArguments {
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

  @Option(help: "What is kept of the Hessians: full, block-diagonal or diagonal.")
  var hessian = HessianStorage.full

  @Option(help: "block-diagonal: channels of a block.")
  var hessianBlock = 128

  func validate() throws {
    try SpecRange.check(mixture, "--mixture", as: "calibration.mixture")
    try SpecRange.check(hessianBlock, "--hessian-block", as: "calibration.hessianBlock")
    try SpecRange.check(sequences, "--sequences", as: "calibration.sequences")
  }

  /// The stage that draws from a text.
  ///
  /// - Parameters:
  ///   - model: Folder of the model.
  ///   - text: The file.
  ///   - window: How it is read and cut.
  ///   - routingWeighted: Whether sums weighted by the squared routing weight are kept too.
  ///   - precision: Of the forward pass.
  /// - Returns: The stage.
  func stage(
    model: URL, text: URL, window: WindowOptions, routingWeighted: Bool, precision: Precision
  ) -> CalibrateStage {
    CalibrateStage(
      model: model, corpora: [CalibrateStage.Corpus(url: text)], format: window.textFormat,
      sequences: sequences, context: window.context, sampling: sampling,
      options: CalibrationOptions(
        tokens: tokens.policy(mixture: mixture), routingWeighted: routingWeighted,
        storage: hessian.storage(block: hessianBlock)),
      precision: precision, seed: seed)
  }
}

extension CalibrationSample.Sampling: ExpressibleByArgument {}
extension CalibrationTokens: ExpressibleByArgument {}
extension HessianStorage: ExpressibleByArgument {}
