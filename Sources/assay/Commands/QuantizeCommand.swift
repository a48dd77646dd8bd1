import ArgumentParser
import Experiments
import Foundation
import Reconstruction

struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Write a quantized checkpoint by a plan.",
    discussion: """
      The folder holds packed codes, scales and zeros in safetensors, and modules.json with what was
      done to every module, fallbacks included. `assay perplexity` and `assay inspect` read it.

      Example:
        assay quantize models/mixtral --plan plan.json --calibration calib --out mixtral-2.5bit
      """)

  enum Method: String, ExpressibleByArgument, CaseIterable {
    case rtn, gptq
  }

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Plan: JSON with bits per unit.", completion: .file(extensions: ["json"]))
  var plan: String

  @Option(help: "rtn or gptq.")
  var method = Method.gptq

  @Option(help: "Folder that `assay calibrate` wrote; gptq needs it.", completion: .directory)
  var calibration: String?

  @Option(help: "Bits of attention.")
  var attentionBits = 4

  @Option(help: "Weights that share a scale.")
  var groupSize = 64

  @Flag(help: "Grids without a zero point.")
  var symmetric = false

  @Option(help: "GPTQ: share of the Hessian's mean diagonal added to it.")
  var damping = 0.01

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  func validate() throws {
    if method == .gptq, calibration == nil {
      throw ValidationError("--method gptq needs --calibration; `assay calibrate` writes one.")
    }
  }

  func run() throws {
    let stage = QuantizeStage(
      model: URL(filePath: model),
      method: QuantizationMethod(
        solver: method == .gptq ? .gptq(damping: damping) : .roundToNearest,
        groupSize: groupSize, symmetric: symmetric),
      attentionBits: attentionBits)
    try SingleStage.write(to: URL(filePath: out)) { context in
      try stage.write(
        plan: URL(filePath: plan), calibration: calibration.map { URL(filePath: $0) },
        to: context)
    }
  }
}
