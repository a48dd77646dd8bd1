import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors

/// Quantizes every linear module of a model by a plan, one layer in memory at a time.
public struct ModelQuantizer: Sendable {
  private let checkpoint: Checkpoint
  private let method: QuantizationMethod
  private let level: @Sendable (LinearModule) throws -> ModuleLevel
  /// Folder with the calibration's layer files; nil if the method reads none, or a stream.
  private let calibration: URL?
  private let stream: QuantizedStream?

  /// - Parameters:
  ///   - checkpoint: What is quantized.
  ///   - method: Base quantizer and grid.
  ///   - calibration: Folder of layer files; not read with a stream.
  ///   - stream: If given, Hessians are taken of the quantized stream.
  ///   - level: Of each module; slices are the same for the three of an expert.
  public init(
    _ checkpoint: Checkpoint, method: QuantizationMethod, calibration: URL?,
    stream: QuantizedStream? = nil,
    level: @escaping @Sendable (LinearModule) throws -> ModuleLevel
  ) {
    precondition(
      !method.readsCalibration || calibration != nil || stream != nil, "GPTQ without calibration")
    self.stream = stream
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
    let draft = try self.draft(in: directory)
    let configuration = checkpoint.configuration
    // First, so that a damaged one is known before the long part.
    for name in plainTensors {
      try draft.put(name, bytes: try checkpoint.finiteBytes(of: name))
      checkpoint.releasePages(of: name)
    }
    var reports: [String: ModuleReport] = [:]
    let pass = try stream.map {
      try ForwardPass($0.sample.sequences, source: checkpoint, precision: $0.precision)
    }
    for layer in 0..<configuration.layerCount {
      var quantized: [String: QuantizedWeight] = [:]
      let statistics = try statistics(layer: layer, pass, in: directory)
      try quantize(layer: layer, statistics) { module, weight, report in
        if pass != nil { quantized[module.tensor] = weight }
        for payload in weight.payloads(of: module.tensor) {
          try draft.put(payload.name, bytes: payload.bytes)
        }
        reports[module.tensor] = report
        checkpoint.releasePages(of: module.tensor)
      }
      // Reading a neighbour maps some pages of what was released before.
      for module in configuration.linearModules(layer: layer) {
        checkpoint.releasePages(of: module.tensor)
      }
      try pass?.runLayer(
        layer, weights: LayerOverlay(checkpoint: checkpoint, packed: quantized), tap: nil)
      progress(layer + 1, configuration.layerCount)
    }
    try draft.commit()
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

  /// Of the same expert.
  private func gate(of module: LinearModule) -> LinearModule {
    let blocks = checkpoint.configuration.gatedBlocks(layer: module.layer)
    guard let block = blocks.first(where: { $0.block == module.block }) else {
      preconditionFailure("\(module.tensor) belongs to no expert")
    }
    return block.modules[0]
  }

  private var modules: [LinearModule] {
    let configuration = checkpoint.configuration
    return (0..<configuration.layerCount).flatMap { configuration.linearModules(layer: $0) }
  }

  /// The file with its header: sizes follow from the plan alone.
  private func draft(in directory: URL) throws -> SafeTensorsDraft {
    var metadata = ["format": "assay.packed", "version": "1"]
    var tensors = try plainTensors.map { try checkpoint.info($0) }
    for module in modules {
      switch try level(module) {
      case .bits(let bits):
        let storage = try method.storage(
          rows: module.rows, columns: module.columns, bits: bits,
          hasGroupIndex: method.storesGroupIndex)
        metadata[module.tensor] = storage.layoutEntry
        tensors += storage.tensors(of: module.tensor)
      case .slices(let split):
        let storage = try method.storage(
          of: module, split, orderBeside: gate(of: module).tensor)
        metadata.merge(storage.metadata(of: module.tensor)) { $1 }
        tensors += storage.tensors(of: module.tensor)
      }
    }
    return try SafeTensorsDraft(
      tensors, metadata: metadata, to: directory.appending(path: QuantizedCheckpoint.fileName))
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
    layer: Int, _ statistics: CalibrationLayer?,
    put: (LinearModule, QuantizedWeight, ModuleReport) throws -> Void
  ) throws {
    // Modules that read the same input follow each other and share one factorization.
    var factor: (site: InputSite, factor: SharedFactor)?
    for module in checkpoint.configuration.linearModules(layer: layer) {
      guard case .bits(let bits) = try level(module) else { continue }
      let weights = try checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      let grid = try method.grids.grid(bits: bits)
      guard case .gptq(let options, let minimumTokens, let weighted) = method.solver,
        let statistics
      else {
        let outcome = try roundToNearest(module, weights, grid, fallback: nil, tokens: nil)
        try put(outcome.module, outcome.weight, outcome.report)
        continue
      }
      if factor?.site != module.input {
        factor = (
          module.input,
          try SharedFactor.of(
            module, statistics: statistics, options: options, minimumTokens: minimumTokens,
            routingWeighted: weighted)
        )
      }
      guard let shared = factor?.factor else { continue }
      let outcome = try solve(module, weights, GPTQ(grid: grid, options: options), shared)
      try put(outcome.module, outcome.weight, outcome.report)
    }
    for (_, modules) in checkpoint.configuration.gatedBlocks(layer: layer) {
      guard case .slices(let split) = try level(modules[0]) else { continue }
      for outcome in try SlicedBlock(
        modules: modules, split: split, method: method, statistics: statistics
      ).outcomes(from: checkpoint) {
        try put(outcome.module, outcome.weight, outcome.report)
      }
    }
  }

  private func solve(
    _ module: LinearModule, _ weights: Matrix, _ solver: GPTQ, _ shared: SharedFactor
  ) throws -> Outcome {
    switch shared {
    case .unavailable(let fallback, let tokens):
      return try roundToNearest(
        module, weights, solver.grid, fallback: fallback, tokens: tokens)
    case .factor(let factor, let tokens):
      let result = try solver.quantize(weights, factor: factor)
      let packed = stored(result.packed)
      var report = Self.report(module, packed, tokens: tokens)
      report.gptqLoss = result.loss
      report.damping = result.damping
      report.dampingEscalations = result.dampingEscalations
      report.deadColumns = result.deadColumns
      return (module, .packed(packed), report)
    }
  }

  private func roundToNearest(
    _ module: LinearModule, _ weights: Matrix, _ grid: AffineGrid,
    fallback: ModuleReport.Fallback?, tokens: Int?
  ) throws -> Outcome {
    let packed = stored(try RoundToNearest.quantize(weights, grid: grid))
    var report = Self.report(module, packed, tokens: tokens)
    report.fallback = fallback
    return (module, .packed(packed), report)
  }

  /// With every column's group if the file announces it, also where that is the natural one.
  private func stored(_ packed: PackedMatrix) -> PackedMatrix {
    method.storesGroupIndex ? packed.withGroupIndex() : packed
  }

  private static func report(
    _ module: LinearModule, _ packed: PackedMatrix, tokens: Int?
  ) -> ModuleReport {
    ModuleReport(
      module: module.tensor, unit: module.unit, weights: module.weights, bits: Double(packed.bits),
      codeBits: packed.codeBits, metadataBits: packed.metadataBits,
      groupSize: packed.groupSize < packed.columns ? packed.groupSize : nil,
      calibrationTokens: tokens, inputFeatures: module.columns)
  }
}

/// The factored Hessian of an input, or why there is none.
private enum SharedFactor {
  case factor(DampedFactor, tokens: Int)
  case unavailable(ModuleReport.Fallback, tokens: Int)

  /// H = 2 S / n or 2 S_w / Σ w², damped and factored.
  static func of(
    _ module: LinearModule, statistics: CalibrationLayer, options: GPTQOptions,
    minimumTokens: Int, routingWeighted: Bool
  ) throws -> SharedFactor {
    let tokens = try statistics.tokens(at: module.input)
    if let fallback = RoundingFallback(tokens: tokens, minimum: minimumTokens) {
      return .unavailable(fallback, tokens: tokens)
    }
    let hessian = try statistics.hessian(
      of: module, routingWeighted: routingWeighted && module.expert != nil)
    do throws(QuantizationError) {
      let factor = try DampedFactor(
        of: hessian, relativeDamping: options.relativeDamping, columns: options.columns)
      return .factor(factor, tokens: tokens)
    } catch {
      guard let fallback = RoundingFallback(error) else { throw error }
      return .unavailable(fallback, tokens: tokens)
    }
  }
}

extension CalibrationLayer {
  /// H = 2 S / n or 2 S_w / Σ w², without damping.
  func hessian(of module: LinearModule, routingWeighted: Bool) throws -> SecondMoments {
    let (site, order) = (module.input, module.columns)
    guard routingWeighted else {
      return try sum(at: site, order: order).scaled(by: 2 / Float(try tokens(at: site)))
    }
    guard let squares = try routingWeightSquares(at: site) else {
      throw QuantizationInputError.noRoutingWeightedSums(layer: module.layer)
    }
    return try routingWeightedSum(at: site, order: order)
      .scaled(by: squares > 0 ? Float(2 / squares) : 0)
  }
}

/// Why a model cannot be quantized with the calibration at hand.
public enum QuantizationInputError: Error, Equatable, CustomStringConvertible {
  case noRoutingWeightedSums(layer: Int)

  public var description: String {
    switch self {
    case .noRoutingWeightedSums(let layer):
      "The calibration of layer \(layer) has no routing-weighted sums; calibrate with "
        + "routingWeighted (calibrate --routing-weighted)."
    }
  }
}
