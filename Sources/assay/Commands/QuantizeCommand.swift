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
      calibration tells which neurons get more. Without it they keep their places.

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

  @Option(help: "GPTQ: share of the Hessian's mean diagonal added to it.")
  var damping = 0.01

  @Flag(help: "GPTQ: round columns by falling diagonal of the Hessian.")
  var actOrder = false

  @Option(help: "GPTQ: scales of groups: fresh, stale or static.")
  var groupScales = GroupScales.fresh

  @Option(help: "GPTQ: columns after which all later ones are updated.")
  var blockSize = GPTQOptions().blockSize

  @Flag(
    help: "GPTQ: experts weigh tokens by routing weight; needs calibrate --routing-weighted.")
  var routingWeighted = false

  @Option(help: "GPTQ: modules with fewer calibration tokens are rounded to nearest.")
  var minimumTokens = QuantizationMethod.defaultMinimumTokens

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
    try SpecRange.check(damping, "--damping", as: "quantizer.damping")
    try SpecRange.check(minimumTokens, "--minimum-tokens", as: "quantizer.minimumTokens")
    try SpecRange.check(blockSize, "--block-size", as: "quantizer.blockSize")
    try SpecRange.check(learning.epochs, "--epochs", as: "quantizer.omniquant.epochs")
    try SpecRange.check(
      learning.clippingRate, "--clipping-rate", as: "quantizer.omniquant.clippingRate")
    try SpecRange.check(
      learning.scalingRate, "--scaling-rate", as: "quantizer.omniquant.scalingRate")
    try SpecRange.check(learning.batch, "--batch", as: "quantizer.omniquant.batch")
  }

  private func checkHessians() throws {
    guard gradients != nil || !quantizationMethod.readsFisher else {
      throw ValidationError("--importance fisher needs --gradients; `assay gradients` writes them.")
    }
    switch (method, hessianStream) {
    case (.rtn, .fullPrecision), (.squeezellm, .fullPrecision):
      guard calibration != nil || !quantizationMethod.readsCalibration else {
        throw ValidationError(
          "--axis adaptive and --importance hessian need --calibration; `assay calibrate` writes one."
        )
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

  private var quantizationMethod: QuantizationMethod {
    let solver: QuantizationMethod.Solver =
      switch method {
      case .rtn: .roundToNearest
      case .gptq:
        .gptq(
          GPTQOptions(
            relativeDamping: damping, columns: actOrder ? .activation : .natural,
            scales: groupScales, blockSize: blockSize),
          minimumTokens: minimumTokens, routingWeighted: routingWeighted)
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
        routingWeighted: routingWeighted, precision: compute.precision)
    }
    var stage = QuantizeStage(
      model: URL(filePath: model), method: quantizationMethod, attentionBits: attentionBits,
      stream: hessianStream == .quantized || method == .omniquant ? windows : nil)
    if forms.axis == .adaDim { stage.axisSample = windows }
    stage.gradients = try gradients.map { try CalibrationFolder.gradients($0, of: model).url }
    let calibration = try calibration.map { try CalibrationFolder.url($0, of: model) }
    try SingleStage.write(to: URL(filePath: out)) { context in
      let reports = try stage.write(
        plan: try planFile(in: context.directory), calibration: calibration, to: context)
      FileHandle.standardError.write(Data((Self.summary(of: reports) + "\n").utf8))
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

  /// What was done to how many modules; nothing that differs from what was asked for goes unsaid.
  private static func summary(of reports: [ModuleReport]) -> String {
    let fallbacks = Dictionary(grouping: reports.compactMap(\.fallback), by: \.rawValue)
      .sorted { $0.key < $1.key }.map { "\($0.value.count) \($0.key)" }
    let singular = reports.count { ($0.calibrationTokens ?? .max) < $0.inputFeatures }
    let escalated = reports.count { ($0.dampingEscalations ?? 0) > 0 }
    let uninformed = reports.count { ($0.uninformedRows ?? 0) > 0 }
    let sparse = reports.reduce(0) { $0 + ($1.outliers?.stored ?? 0) }
    let axes = reports.compactMap(\.axis)
    let kept = Dictionary(grouping: reports.compactMap(\.training?.kept), by: \.rawValue)
      .sorted { $0.key < $1.key }.map { "\($0.value.count) \($0.key)" }
    let untrained = reports.count { $0.training?.steps == 0 }
    return "\(reports.count) modules; rounded to nearest instead of solved: "
      + (fallbacks.isEmpty ? "none" : fallbacks.joined(separator: ", "))
      + "; fewer calibration tokens than inputs: \(singular); damping raised: \(escalated)"
      + (reports.contains { $0.importance != nil }
        ? "; with rows of no importance: \(uninformed)" : "")
      + (sparse > 0 ? "; weights in sparse parts: \(sparse)" : "")
      + (reports.contains { $0.training != nil }
        ? "; learned nothing: \(kept.isEmpty ? "none" : kept.joined(separator: ", ")); "
          + "no token came to: \(untrained)" : "")
      + (axes.isEmpty
        ? "" : "; grouped by input channel: \(axes.count { $0.axis == .inputChannel })")
  }
}

extension QuantizerParameters.Method: ExpressibleByArgument {}
extension GroupScales: ExpressibleByArgument {}
extension HessianStream: ExpressibleByArgument {}
