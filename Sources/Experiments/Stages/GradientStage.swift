import Calibration
import Checkpoints
import Foundation
import JSON
import MoEModels

/// model + corpus → Fisher diagonals and slopes of outputs, one HDF5 file a layer.
///
/// On the windows that calibration draws, always in f32.
public struct GradientStage: Sendable {
  public static let name = "gradients"
  static let epoch = 1

  /// Draws the windows; its precision and what it keeps are not read.
  public var windows: CalibrateStage
  public var options: GradientWriter.Options

  public init(windows: CalibrateStage, options: GradientWriter.Options) {
    (self.windows, self.options) = (windows, options)
  }

  func stage() throws -> Stage {
    let inputs = windows.textInputs.merging(["model": try .model(windows.model)]) { $1 }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs,
      expectedBytes: try expectedBytes()
    ) { context in try write(to: context) }
  }

  private var parameters: JSONObject {
    var parameters = JSONObject([
      ("fisher", JSONValue(options.fisher)), ("outputSlopes", JSONValue(options.outputSlopes)),
    ])
    let drawn = windows.parameters
    for key in ["format", "sequences", "context", "seed", "sampling", "weights"] {
      if let value = drawn[key] { parameters[key] = value }
    }
    return parameters
  }

  private func expectedBytes() throws -> Int {
    let c = try ModelFolder(windows.model).configuration
    let slopes = windows.sequences * windows.context * c.hiddenSize
    return (0..<c.layerCount).reduce(0) { sum, layer in
      let weights = c.linearModules(layer: layer).reduce(0) { $0 + $1.weights }
      return sum + 4 * ((options.fisher ? weights : 0) + (options.outputSlopes ? slopes : 0))
    }
  }

  /// Writes the layer files into the context's folder.
  ///
  /// - Parameter context: Where to, and whom to tell how far it is.
  /// - Throws: What reading texts and the model, and writing the files, throws.
  public func write(to context: StageContext) throws {
    let folder = try ModelFolder(windows.model)
    let (sample, _) = try windows.sample(folder.tokenizer())
    try GradientWriter.write(
      sample, through: folder.weights, options: options,
      model: try context.digests["model"] ?? FileDigests.model(windows.model),
      to: context.directory
    ) { context.progress(Double($0) / Double($1), "layer \($0) of \($1), forth and back") }
    // Forth, and once more for the activations on the way back.
    try context.recordForwardTokens(2 * windows.sequences * windows.context)
  }
}

extension AllocationParameters {
  /// What the table needs of the gradient; nil if nothing.
  var gradientOptions: GradientWriter.Options? {
    guard readsCalibration else { return nil }
    let options = GradientWriter.Options(
      fisher: sensitivity == "fisher" || sensitivity == "fisher-condition",
      outputSlopes: scale == "gradient")
    return options.fisher || options.outputSlopes ? options : nil
  }

  /// Refuses what scale `gradient` makes no sense with.
  func checkGradients(at pointer: JSONPointer) throws(SpecError) {
    guard scale == "gradient", factors.frequency != 0 || factors.routingWeight != 0 else { return }
    throw SpecError(
      .invalid(
        "Scale gradient knows how often an expert is used and how much it counts; leave factors out."
      ),
      at: pointer.appending("factors"))
  }
}
