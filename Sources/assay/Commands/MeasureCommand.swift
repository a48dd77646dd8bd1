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
      Units are experts, their projections, layers, or neurons. Losses and routing scores need a calibration;
      weight outliers do not. Every level carries, beside its base loss, what other sensitivities
      (second-order, hawq-trace, weight-mse, output, pmq; with --gradients also fisher) make of it.

      Examples:
        assay measure models/mixtral --calibration calib --out table.h5
        assay measure models/mixtral --levels 2,3,4 --out table.json
        assay measure models/mixtral --calibration calib --granularity projection \\
          --attention tied --error gptq --out table.h5
        assay measure models/mixtral --calibration calib --levels paper --out half-levels.h5
        assay measure models/mixtral --calibration calib --granularity neuron --out neurons.h5
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Folder that `assay calibrate` wrote.", completion: .directory)
  var calibration: String?

  @Option(help: "Folder that `assay gradients` wrote.", completion: .directory)
  var gradients: String?

  @Option(
    help: """
      Bits, rising, separated by commas; paper (2 to 4 by halves) or wide; or a JSON list with mixes \
      such as {"4": 0.25, "2": 0.75}.
      """)
  var levels = "2,3,4"

  @Option(help: "What a unit is: layer, expert, projection or neuron.")
  var granularity = Granularity.expert

  @Option(help: "Neurons of a block of half levels and mixes.")
  var blockSize = 32

  @Option(help: "Units of attention: none, separate, or tied (q, k and v at one level).")
  var attention = ExpertMeasurement.AttentionUnits.none

  @Option(help: "Whose rounding error makes the losses: rtn or gptq.")
  var error = WeightError.rtn

  @Option(
    help: """
      What makes losses of layers comparable: relative (energy of the MoE's output), residual (of \
      the stream behind it), none, or gradient.
      """)
  var scale = ExpertMeasurement.Scale.relative

  @Option(help: "α of (n/N)^α on the base loss.")
  var frequencyExponent = 0.0

  @Option(help: "β of mean(w)^β on the base loss.")
  var weightExponent = 0.0

  @Option(
    help: "Also expert-output: the error of the MoE's output, on windows of this text.",
    completion: .file())
  var outputText: String?

  @Flag(
    help: """
      Also predicted-importance: of a network trained on the tokens of --output-text; takes minutes \
      for wide models.
      """)
  var predictImportance = false

  @OptionGroup(title: "Windows of --output-text") var window: WindowOptions
  @OptionGroup(title: "Windows of --output-text") var sample: SampleOptions
  @OptionGroup(title: "Windows of --output-text") var compute: ComputeOption

  @Option(help: "Units that fewer calibration tokens reach are marked.")
  var minimumTokens = 32

  @OptionGroup(title: "Grids") var grids: GridOptions

  @Option(help: "File to write: .h5, or .json for exchange.", completion: .file())
  var out: String

  enum Granularity: String, ExpressibleByArgument, CaseIterable {
    case layer, expert, projection, neuron
  }

  enum WeightError: String, ExpressibleByArgument, CaseIterable {
    case rtn, gptq
  }

  func validate() throws {
    guard ["h5", "json"].contains(URL(filePath: out).pathExtension) else {
      throw ValidationError("--out \(out): name a file that ends in .h5 or .json.")
    }
    try SpecRange.check(blockSize, "--block-size", as: "allocation.blockSize")
    let set = try levelSet
    if outputText != nil, granularity == .layer, !predictImportance {
      throw ValidationError("--output-text is of experts and projections, not of whole layers.")
    }
    if predictImportance, outputText == nil {
      throw ValidationError("--predict-importance is trained on tokens; give --output-text.")
    }
    guard granularity == .neuron else { return }
    guard set.levels.allSatisfy({ $0.parts.count == 1 }) else {
      throw ValidationError("--levels \(levels): neurons have whole bits.")
    }
    guard calibration != nil else {
      throw ValidationError("--granularity neuron needs --calibration.")
    }
    guard URL(filePath: out).pathExtension == "h5" else {
      throw ValidationError("--out \(out): tables of neurons are arrays; name a file in .h5.")
    }
    guard error == .rtn, attention == .none, scale == .relative, frequencyExponent == 0,
      weightExponent == 0, outputText == nil, gradients == nil
    else {
      throw ValidationError(
        "--granularity neuron measures the second-order loss of rounding to nearest on the relative "
          + "scale, without attention; leave --error, --attention, --scale, --output-text, --gradients and "
          + "exponents out."
      )
    }
  }

  private var levelSet: LevelSet { get throws { try SpecRange.levels(levels, "--levels") } }

  func run() throws {
    var options = MeasureStage.Options(
      levels: try levelSet, grids: grids.family)
    options.granularity =
      ExpertMeasurement.Granularity(rawValue: granularity.rawValue).map { .units($0) } ?? .neurons
    options.blockSize = blockSize
    options.error = error == .gptq ? .gptq : .rtn
    options.scale = scale
    options.factors = ExpertMeasurement.LossFactors(
      frequency: frequencyExponent, routingWeight: weightExponent)
    options.scores =
      calibration == nil
      ? [.weightOutlier]
      : Set(ExpertMeasurement.Score.allCases).subtracting([.predictedImportance])
    if predictImportance { options.scores.insert(.predictedImportance) }
    let checkpoint = try Checkpoint(URL(filePath: model))
    let calibration = try calibration.map { try CalibrationFolder.url($0, of: model) }
    if let neurons = try options.neuronMeasurement(checkpoint, calibration) {
      return try SingleStage.write(file: URL(filePath: out)) { url, progress in
        try neurons.table { progress(Double($0) / Double($1), "layer \($0) of \($1)") }
          .write(to: url)
      }
    }
    var measurement = options.measurement(checkpoint)
    measurement.calibration = calibration
    measurement.gradients = try gradients.map { try CalibrationFolder.gradients($0, of: model) }
    if let outputText {
      let tokens = try sample.stage(
        model: URL(filePath: model), text: URL(filePath: outputText), window: window,
        routingWeighted: false, precision: compute.precision
      ).expertOutputSample()
      if granularity != .layer { measurement.expertOutput = tokens }
      measurement.importanceSample = tokens
    }
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

extension ExpertMeasurement.AttentionUnits: ExpressibleByArgument {}
extension ExpertMeasurement.Scale: ExpressibleByArgument {}
