import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors

/// Quantizes every linear module of a model by a plan, one layer in memory at a time.
public struct ModelQuantizer: Sendable {
  let checkpoint: Checkpoint
  let method: QuantizationMethod
  let level: @Sendable (LinearModule) throws -> ModuleLevel
  /// Folder with the calibration's layer files; nil if the method reads none, or a stream.
  let calibration: URL?
  let stream: QuantizedStream?
  private let fisher: (@Sendable (LinearModule) throws -> Matrix)?
  let recovery: URL?
  private let axisSample: CalibrationSample?

  /// - Parameters:
  ///   - checkpoint: What is quantized.
  ///   - method: Base quantizer and grid.
  ///   - calibration: Folder of layer files; with a stream read by OmniQuant alone, for ranks of neurons.
  ///   - stream: If given, Hessians are taken of the quantized stream; what OmniQuant learns from.
  ///   - fisher: The Fisher diagonal of a module, shape of its weights; needed if the method reads it.
  ///   - recovery: Where OmniQuant keeps what finished layers have learned; nil: nowhere.
  ///   - axisSample: What the axis adadim is judged on; needed with it.
  ///   - level: Of each module; slices are the same for the three of an expert.
  public init(
    _ checkpoint: Checkpoint, method: QuantizationMethod, calibration: URL?,
    stream: QuantizedStream? = nil,
    fisher: (@Sendable (LinearModule) throws -> Matrix)? = nil, recovery: URL? = nil,
    axisSample: CalibrationSample? = nil,
    level: @escaping @Sendable (LinearModule) throws -> ModuleLevel
  ) {
    precondition(
      !method.readsCalibration || calibration != nil || stream != nil,
      "the method reads calibration")
    self.stream = stream
    precondition(!method.learns || stream != nil, "OmniQuant learns from a sample")
    self.fisher = fisher
    self.recovery = recovery
    self.axisSample = axisSample
    self.checkpoint = checkpoint
    self.method = method
    self.calibration = calibration
    self.level = level
  }

  /// Writes a folder that ``QuantizedCheckpoint`` reads: weights, config.json, tokenizer.json.
  ///
  /// - Parameters:
  ///   - directory: Exists; gets the files.
  ///   - progress: Layers done of all.
  /// - Returns: One report a module, in the order of the model.
  /// - Throws: What reading, quantizing and writing throws; the folder is then incomplete.
  public func write(
    to directory: URL, progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws -> [ModuleReport] {
    try checkLevels()
    let spool = try SafeTensorsSpool(directory.appending(path: QuantizedCheckpoint.fileName))
    var metadata = ["format": "assay.packed", "version": "1"]
    let configuration = checkpoint.configuration
    // First, so that a damaged one is known before the long part.
    let folded = foldedTensors
    for name in plainTensors where !folded.contains(name) {
      let info = try checkpoint.info(name)
      try spool.put(
        TensorPayload(
          name: name, dtype: info.dtype, shape: info.shape,
          bytes: try checkpoint.finiteBytes(of: name)))
      checkpoint.releasePages(of: name)
    }
    var reports: [String: ModuleReport] = [:]
    func put(
      _ module: LinearModule, _ weight: QuantizedWeight, _ report: ModuleReport
    ) throws {
      for payload in weight.payloads(of: module.tensor) { try spool.put(payload) }
      metadata.merge(weight.layoutEntries(of: module.tensor)) { $1 }
      reports[module.tensor] = report
      checkpoint.releasePages(of: module.tensor)
    }
    let learning = try learning()
    let pass = try learning == nil ? stream.map(self.pass) : nil
    let judged = try axisPass()
    for layer in 0..<configuration.layerCount {
      if let learning {
        for tensor in try learn(layer, learning, put) { try spool.put(tensor) }
      } else {
        var quantized: [String: QuantizedWeight] = [:]
        let statistics = try statistics(layer: layer, pass, in: directory)
        let information = LayerInformation(
          statistics: statistics, fisher: fisher,
          blockErrors: try judged.map { try blockErrors(layer, $0) })
        try quantize(layer: layer, information) { module, weight, report in
          if pass != nil { quantized[module.tensor] = weight }
          try put(module, weight, report)
        }
        try pass?.runLayer(
          layer, weights: LayerOverlay(checkpoint: checkpoint, packed: quantized), tap: nil)
      }
      // Reading a neighbour maps some pages of what was released before.
      for module in configuration.linearModules(layer: layer) {
        checkpoint.releasePages(of: module.tensor)
      }
      progress(layer + 1, configuration.layerCount)
    }
    try spool.commit(metadata: metadata)
    try copyCompanions(to: directory)
    return modules.compactMap { reports[$0.tensor] }
  }

  /// Configuration and, as far as they are there, the tokenizer's files.
  private func copyCompanions(to directory: URL) throws {
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
      let file = checkpoint.directory.appending(path: name)
      guard FileManager.default.fileExists(atPath: file.path) else { continue }
      try FileManager.default.copyItem(at: file, to: directory.appending(path: name))
    }
  }

  /// Names of the tensors that keep their precision.
  private var plainTensors: [String] {
    let quantized = Set(modules.map(\.tensor))
    return checkpoint.tensorNames.filter { !quantized.contains($0) }
  }

  private func pass(of stream: QuantizedStream) throws -> ForwardPass {
    try ForwardPass(
      stream.sample.sequences, source: checkpoint, precision: stream.precision)
  }

  private func axisPass() throws -> ForwardPass? {
    guard method.judgesBlocks else { return nil }
    guard let axisSample else { throw MethodError.axisWithoutSample }
    return try ForwardPass(axisSample.sequences, source: checkpoint, precision: .f32)
  }

  private func blockErrors(_ layer: Int, _ pass: ForwardPass) throws -> BlockErrors {
    try BlockErrors(
      layer, of: pass, lengths: axisSample?.sequences.map(\.count) ?? [], checkpoint: checkpoint)
  }

  private var modules: [LinearModule] {
    let configuration = checkpoint.configuration
    return (0..<configuration.layerCount).flatMap { configuration.linearModules(layer: $0) }
  }

  /// Refuses a method or a plan that cannot be carried out before the long part.
  private func checkLevels() throws {
    try method.check()
    for module in modules {
      switch try level(module) {
      case .bits(let bits): try check(bits: bits)
      case .slices(let split):
        if method.axis != .outputChannel { throw MethodError.axisOfSlices(unit: module.unit ?? "") }
        for slice in split.slices { try check(bits: slice.bits) }
      }
    }
  }

  private func check(bits: Int) throws(QuantizationError) {
    if case .codebooks(let options) = method.solver { _ = try options.quantizer(bits: bits) }
    _ = try method.grids.grid(bits: bits)
  }

  typealias Outcome = (module: LinearModule, weight: QuantizedWeight, report: ModuleReport)

  /// Of the calibration, or of what the layers before made of the stream.
  private func statistics(
    layer: Int, _ pass: ForwardPass?, in directory: URL
  ) throws -> CalibrationLayer? {
    let experts = checkpoint.configuration.expertCount(ofLayer: layer)
    guard let pass, let stream, method.readsCalibration else {
      return try calibration.map { try CalibrationLayer(layer, in: $0, experts: experts) }
    }
    let folder = directory.appending(path: "stream")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // The file's contents stay readable while it is open.
    defer { try? FileManager.default.removeItem(at: folder) }
    try CalibrationWriter.writeLayer(layer, of: pass, options: stream.options, to: folder)
    return try CalibrationLayer(layer, in: folder, experts: experts)
  }

  private func quantize(
    layer: Int, _ information: LayerInformation,
    put: (LinearModule, QuantizedWeight, ModuleReport) throws -> Void
  ) throws {
    let statistics = information.statistics
    // Modules that read the same input follow each other and share one factorization.
    var factor: (site: InputSite, factor: SharedFactor)?
    for module in checkpoint.configuration.linearModules(layer: layer) {
      guard case .bits(let bits) = try level(module) else { continue }
      let whole = WholeModule(
        module: module,
        weights: try checkpoint.matrix(
          module.tensor, rows: module.rows, columns: module.columns), bits: bits,
        method: method, information: information)
      let outcome = try ModuleError.naming(module.tensor) {
        switch method.solver {
        case .roundToNearest: return try whole.rounded()
        case .codebooks(let options): return try whole.coded(options)
        case .omniQuant: preconditionFailure("layers learn as wholes")
        case .gptq(let options, let minimumTokens, let weighted):
          guard let statistics else { preconditionFailure("GPTQ without calibration") }
          let shared: SharedFactor
          if let factor, factor.site == module.input {
            shared = factor.factor
          } else {
            shared = try SharedFactor.of(
              module, statistics: statistics, options: options, minimumTokens: minimumTokens,
              routingWeighted: weighted)
            factor = (module.input, shared)
          }
          return try whole.solved(options, shared)
        }
      }
      try put(outcome.module, outcome.weight, outcome.report)
    }
    for (_, modules) in checkpoint.configuration.gatedBlocks(layer: layer) {
      guard case .slices(let split) = try level(modules[0]) else { continue }
      let block = SlicedBlock(
        modules: modules, split: split, method: method, information: information)
      for outcome in try block.outcomes(from: checkpoint) {
        try put(outcome.module, outcome.weight, outcome.report)
      }
    }
  }
}
