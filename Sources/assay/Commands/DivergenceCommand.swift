import ArgumentParser
import Checkpoints
import Evaluation
import Experiments
import Foundation
import JSON
import MoEModels

struct DivergenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "divergence",
    abstract: "Compare a quantized model with full precision, token by token.",
    discussion: """
      KL(P_full ‖ P) of every scored token, agreement on the likeliest token, and the change of the \
      true token's probability, also by how sure the full-precision model is; then where routers send \
      tokens elsewhere. Beside it stands the noise floor: the full-precision model against itself \
      under a change that should not matter.

      Examples:
        assay divergence quantized --reference models/olmoe --text test.txt --context 512
        assay divergence quantized --reference models/olmoe --text test.txt --noise compute --format json
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Folder of the full-precision model.", completion: .directory)
  var reference: String

  @OptionGroup var text: TextOptions
  @Option(name: .customLong("protocol"), help: "gptq, llama.cpp, strided or lm-eval.")
  var convention = PerplexityConvention.gptq

  @Option(help: "Log-probabilities kept at every token; the others are pooled.")
  var topK = 512

  @Option(help: "Of the noise floor: batch, compute (f32 beside bf16) or none.")
  var noise = NoiseSource.batch

  @Option(
    help: ArgumentHelp(
      "Keep the predictions in this folder, or take them from there if it exists.",
      valueName: "folder"), completion: .directory)
  var predictions: String?

  @OptionGroup var compute: ComputeModeOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    try SpecRange.check(topK, "--top-k", as: "evaluation.divergence.topK")
    do { try convention.check(context: text.window.context, stride: nil) } catch {
      throw ValidationError("\(error)")
    }
  }

  func run() throws {
    let result = try DivergenceReport.inTemporaryFolder { folder in
      let place = predictions.map { URL(filePath: $0) } ?? folder.appending(path: "reference")
      try predict(into: place)
      var stage = DivergenceStage(corpora: [corpus], precision: compute.precision)
      stage.activations = compute.mode.activations
      let output = folder.appending(path: "divergence", directoryHint: .isDirectory)
      try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
      let context = StageContext(
        directory: output, inputs: [:], progress: StepProgress.show)
      let measured = try stage.write(
        weights: URL(filePath: model), reference: place, to: context)
      return try DivergenceReport(measured, metrics: [output, place])
    }
    StepProgress.finish()
    try StandardOutput.write(result.text(format.format))
  }

  /// Makes the predictions, unless they are there.
  private func predict(into place: URL) throws {
    let full = URL(filePath: reference)
    let stage = ReferenceStage(
      model: full, corpora: [corpus],
      options: PredictionFile.Options(topK: topK, precision: compute.precision, noise: noise))
    if predictions == nil {
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      return try stage.write(
        to: StageContext(directory: place, inputs: [:], progress: StepProgress.show))
    }
    guard FileManager.default.fileExists(atPath: place.path) else {
      return try SingleStage.write(to: place, stage.write)
    }
    let stored = try PredictionFile(place.appending(path: "reference.h5"))
    guard try stored.model == ReferenceStage.identity(of: full) else {
      throw UnusableArgument(
        "--predictions \(place.path) holds those of another model than \(reference); name a folder "
          + "that does not exist yet.")
    }
    try check(stored, in: place, vocabulary: ModelFolder(full).configuration.vocabularySize)
  }

  /// Predictions of other options give other numbers than those asked for.
  private func check(
    _ stored: PredictionFile, in place: URL, vocabulary: Int
  ) throws {
    let kept = min(topK, vocabulary)
    guard stored.topK == kept else {
      throw UnusableArgument(
        "--predictions \(place.path) holds \(stored.topK) log-probabilities a token, --top-k asks for "
          + "\(kept); give --top-k \(stored.topK), or name a folder that does not exist yet.")
    }
    let found = try ReferenceStage.noise(in: place)
    guard found == noise else {
      throw UnusableArgument(
        "--predictions \(place.path) has the noise floor '\(found.rawValue)', --noise asks for "
          + "'\(noise.rawValue)'; give --noise \(found.rawValue), or name a folder that does not exist "
          + "yet.")
    }
  }

  private var corpus: EvaluateStage.Corpus {
    EvaluateStage.Corpus(
      name: "text", url: text.url, format: text.window.textFormat, context: text.window.context,
      convention: convention)
  }
}

extension NoiseSource: ExpressibleByArgument {}
