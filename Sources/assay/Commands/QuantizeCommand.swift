import ArgumentParser
import BitAllocation
import Experiments
import Foundation
import JSON
import Quantization
import Reconstruction

struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Write a quantized checkpoint by a plan.",
    discussion: """
      The folder holds packed codes, scales and zeros in safetensors, and modules.json with what was
      done to every module, fallbacks included. `assay perplexity` and `assay inspect` read it.

      Levels such as 2.5, and plans over neurons, give the neurons of an expert different bits;
      calibration tells which neurons get more. Without it they keep their places, which is said.

      GPTQ takes its Hessians from a calibration folder, whose inputs come from full-precision
      layers, or, with --hessian-stream quantized, draws windows of --text and sends them through
      the layers that it has quantized before, as GPTQ's code does.

      squeezellm gives each row the 2^bits values that lose least (weighted k-means). Outliers leave
      the dense part of any method but omniquant for a sparse one; --axis adaptive, or adadim, decides for each matrix whether
      groups are of inputs or of outputs, and `assay inspect --show axes` prints the decisions.

      omniquant learns how far the range of each group is clipped, layer by layer, from windows of
      --text (AdamW on the distance of the layer's output to that in full precision). Where plans give
      neurons of an expert different bits it takes their ranks from --calibration.

      Examples:
        assay quantize models/olmoe --plan plan.json --method omniquant --epochs 20 \\
          --text wikitext2_train.gz --sequences 128 --context 2048 --out olmoe-omniquant
        assay quantize models/mixtral --plan plan.json --calibration calib --out mixtral-2.5bit
        assay quantize models/mixtral --plan plan.json --gradients gradients --method squeezellm \\
          --sensitive 0.0005 --range-outliers 0.004 --out mixtral-sparse
        assay quantize models/mixtral --plan plan.json --hessian-stream quantized \\
          --text c4.txt --sequences 128 --context 2048 --sampling gptq --out mixtral-gptq
      """)

  typealias Method = QuantizerParameters.Method

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Plan: JSON with bits per unit, or another form by --plan-as.", completion: .file())
  var plan: String

  @Option(help: "How the plan is written: plan, csv, matrix or evopress; see `assay compare`.")
  var planAs = PlanFormat.plan

  @Option(help: "JSON pointer to the plan within its file.")
  var planAt = ""

  @Option(help: "rtn, gptq, squeezellm or omniquant.")
  var method = Method.gptq

  @Option(
    help: "Folder that `assay calibrate` wrote: gptq's Hessians, and ranks of neurons.",
    completion: .directory)
  var calibration: String?

  @Option(
    help: "Folder that `assay gradients` wrote: the Fisher diagonal of --importance fisher.",
    completion: .directory)
  var gradients: String?

  @Option(help: "GPTQ: inputs behind the Hessians: full-precision or quantized.")
  var hessianStream = HessianStream.fullPrecision

  @Option(help: "Bits of attention.")
  var attentionBits = 4

  @OptionGroup(title: "Grids") var grids: GridOptions

  @OptionGroup(title: "Sparse part, axis, codebooks") var forms: FormOptions

  @OptionGroup(title: "GPTQ") var solving: SolvingOptions

  @OptionGroup(title: "OmniQuant") var learning: LearningOptions

  @Option(
    help: "Text of the quantized stream, and what omniquant learns from; plain or .gz.",
    completion: .file())
  var text: String?

  @OptionGroup(title: "Quantized stream") var window: WindowOptions
  @OptionGroup(title: "Quantized stream") var sample: SampleOptions
  @OptionGroup(title: "Quantized stream") var compute: ComputeOption

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  func validate() throws {
    try checkHessians()
    try SpecRange.check(attentionBits, "--attention-bits", as: "budget.attention")
    try checkRead()
  }

  private func checkHessians() throws {
    guard gradients != nil || !quantizationMethod.readsFisher else {
      throw ValidationError("--importance fisher needs --gradients; `assay gradients` writes them.")
    }
    switch (method, hessianStream) {
    case (.rtn, .fullPrecision), (.squeezellm, .fullPrecision):
      guard calibration != nil || !quantizationMethod.readsCalibration else {
        throw ValidationError(missingStatistics)
      }
    case (.omniquant, .fullPrecision):
      guard text != nil else {
        throw ValidationError("--method omniquant learns from windows of --text; give one.")
      }
      return
    case (.rtn, .quantized), (.squeezellm, .quantized), (.omniquant, .quantized):
      throw ValidationError("--hessian-stream is of gptq; \(method.rawValue) solves no Hessians.")
    case (.gptq, .fullPrecision):
      guard calibration != nil else {
        throw ValidationError("--method gptq needs --calibration; `assay calibrate` writes one.")
      }
    case (.gptq, .quantized):
      guard text != nil, calibration == nil else {
        throw ValidationError(
          "--hessian-stream quantized calibrates as it quantizes: give --text, and no --calibration."
        )
      }
      return
    }
    guard (text != nil) == (forms.axis == .adaDim) else {
      throw ValidationError(
        text == nil
          ? "--axis adadim is judged on windows of --text; give one."
          : "--text is of --hessian-stream quantized and --axis adadim; `assay calibrate` reads texts."
      )
    }
  }

  /// What is asked for reads inputs or gradients, and there are none.
  private var missingStatistics: String {
    if forms.axis == .adaptive {
      return "--axis adaptive is judged on inputs of --calibration; `assay calibrate` writes one."
    }
    if forms.importance == .hessian {
      return "--importance hessian needs --calibration; `assay calibrate` writes one."
    }
    let asked = method == .squeezellm ? "--method squeezellm" : "--sensitive \(forms.sensitive)"
    let rest = method == .squeezellm ? "; with --importance none all weights count alike" : ""
    return "\(asked) asks what weights are worth: give --gradients, or --calibration (`assay "
      + "gradients` and `assay calibrate` write them)\(rest)."
  }

  var quantizationMethod: QuantizationMethod {
    let solver: QuantizationMethod.Solver =
      switch method {
      case .rtn: .roundToNearest
      case .gptq:
        .gptq(
          solving.options, minimumTokens: solving.minimumTokens,
          routingWeighted: solving.routingWeighted)
      case .squeezellm: .codebooks(forms.codebooks)
      case .omniquant: .omniQuant(learning.options)
      }
    return QuantizationMethod(
      solver: solver, grids: grids.family, outliers: forms.outliers, axis: forms.axis,
      importance: forms.importance ?? (gradients == nil ? .hessian : .fisher))
  }

  func run() throws {
    let windows = text.map {
      sample.stage(
        model: URL(filePath: model), text: URL(filePath: $0), window: window,
        routingWeighted: solving.routingWeighted, precision: compute.precision)
    }
    var stage = QuantizeStage(
      model: URL(filePath: model), method: quantizationMethod, attentionBits: attentionBits,
      stream: hessianStream == .quantized || method == .omniquant ? windows : nil)
    if forms.axis == .adaDim { stage.axisSample = windows }
    stage.gradients = try gradients.map { try CalibrationFolder.gradients($0, of: model).url }
    let calibration = try calibration.map { try CalibrationFolder.url($0, of: model) }
    try SingleStage.write(to: URL(filePath: out)) { context in
      let plan = try planFile(in: context.directory)
      if method == .squeezellm, try !stage.splitsExperts(plan: plan) { try checkGridsUnread() }
      let reports = try stage.write(plan: plan, calibration: calibration, to: context)
      let summary = QuantizationSummary(reports).text
      FileHandle.standardError.write(Data((summary + "\n").utf8))
    }
  }

  /// The plan in our own form, which a foreign one is copied into; the copy stays with the weights.
  private func planFile(in folder: URL) throws -> URL {
    guard planAs != .plan || !planAt.isEmpty else { return URL(filePath: plan) }
    let data: Data
    do { data = try FileContents.read(URL(filePath: plan)) } catch {
      throw UnusableArgument("\(error)")
    }
    let pointer = JSONPointer(planAt.split(separator: "/").map(String.init))
    let copy = folder.appending(path: "plan.json")
    do {
      try Plan(importing: data, as: planAs, at: pointer).json().write(to: copy)
    } catch let error as PlanImportError { throw UnusableArgument("\(plan): \(error)") }
    return copy
  }
}

extension QuantizerParameters.Method: ExpressibleByArgument {}
extension HessianStream: ExpressibleByArgument {}
