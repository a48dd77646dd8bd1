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
  /// Bits of a module.
  private let bits: @Sendable (LinearModule) throws -> Int
  /// Folder with the calibration's layer files; nil if the method reads none.
  private let calibration: URL?

  public init(
    _ checkpoint: Checkpoint, method: QuantizationMethod, calibration: URL?,
    bits: @escaping @Sendable (LinearModule) throws -> Int
  ) {
    precondition(!method.readsCalibration || calibration != nil, "GPTQ without calibration")
    self.checkpoint = checkpoint
    self.method = method
    self.calibration = calibration
    self.bits = bits
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
    var payloads: [TensorPayload] = []
    var metadata = ["format": "assay.packed", "version": "1"]
    var reports: [ModuleReport] = []
    let layers = checkpoint.configuration.layerCount
    for layer in 0..<layers {
      for (module, packed, report) in try quantize(layer: layer) {
        payloads += packed.payloads(weight: module.tensor)
        metadata[module.tensor] = packed.layoutEntry
        reports.append(report)
        checkpoint.releasePages(of: module.tensor)
      }
      progress(layer + 1, layers)
    }
    let quantized = Set(reports.map(\.module))
    for name in checkpoint.tensorNames where !quantized.contains(name) {
      let info = try checkpoint.info(name)
      payloads.append(
        TensorPayload(
          name: name, dtype: info.dtype, shape: info.shape,
          bytes: try checkpoint.withBytes(of: name) { Array($0) }))
    }
    try SafeTensorsWriter.write(
      payloads, metadata: metadata, to: directory.appending(path: QuantizedCheckpoint.fileName))
    for name in ["config.json", "tokenizer.json"] {
      try FileManager.default.copyItem(
        at: checkpoint.directory.appending(path: name), to: directory.appending(path: name))
    }
    return reports
  }

  private typealias Outcome = (module: LinearModule, packed: PackedMatrix, report: ModuleReport)

  private func quantize(layer: Int) throws -> [Outcome] {
    let configuration = checkpoint.configuration
    let statistics = try calibration.map {
      try CalibrationLayer(layer, in: $0, experts: configuration.expertCount)
    }
    var outcomes: [Outcome] = []
    // Modules that read the same input follow each other and share one factorization.
    var factor: (site: InputSite, factor: SharedFactor)?
    for module in configuration.linearModules(layer: layer) {
      let weights = try checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      let grid = try method.grid(bits: try bits(module))
      guard case .gptq(let damping) = method.solver, let statistics else {
        outcomes.append(try roundToNearest(module, weights, grid, fallback: nil, tokens: nil))
        continue
      }
      if factor?.site != module.input {
        factor = (
          module.input,
          try SharedFactor(module, statistics: statistics, damping: damping)
        )
      }
      guard let shared = factor?.factor else { continue }
      outcomes.append(try solve(module, weights, grid, shared))
    }
    return outcomes
  }

  private func solve(
    _ module: LinearModule, _ weights: Matrix, _ grid: AffineGrid, _ shared: SharedFactor
  ) throws -> Outcome {
    switch shared {
    case .unavailable(let fallback, let tokens):
      return try roundToNearest(module, weights, grid, fallback: fallback, tokens: tokens)
    case .factor(let factor, let tokens):
      let result = try GPTQ(grid: grid).quantize(weights, factor: factor)
      var report = Self.report(module, result.packed, tokens: tokens)
      report.gptqLoss = result.loss
      report.damping = result.damping
      report.dampingEscalations = result.dampingEscalations
      report.deadColumns = result.deadColumns
      return (module, result.packed, report)
    }
  }

  private func roundToNearest(
    _ module: LinearModule, _ weights: Matrix, _ grid: AffineGrid,
    fallback: ModuleReport.Fallback?, tokens: Int?
  ) throws -> Outcome {
    let packed = try RoundToNearest.quantize(weights, grid: grid)
    var report = Self.report(module, packed, tokens: tokens)
    report.fallback = fallback
    return (module, packed, report)
  }

  private static func report(
    _ module: LinearModule, _ packed: PackedMatrix, tokens: Int?
  ) -> ModuleReport {
    ModuleReport(
      module: module.tensor, unit: module.unit, weights: module.weights, bits: packed.bits,
      codeBits: packed.codeBits, metadataBits: packed.metadataBits, calibrationTokens: tokens,
      inputFeatures: module.columns)
  }
}

/// The factored Hessian of an input, or why there is none.
private enum SharedFactor {
  case factor(DampedFactor, tokens: Int)
  case unavailable(ModuleReport.Fallback, tokens: Int)

  /// H = 2S/n, damped and factored.
  init(_ module: LinearModule, statistics: CalibrationLayer, damping: Double) throws {
    let tokens = try statistics.tokens(at: module.input)
    guard tokens > 0 else {
      self = .unavailable(.roundToNearestWithoutTokens, tokens: 0)
      return
    }
    var hessian = try statistics.sum(at: module.input, order: module.columns)
    let factor = 2 / Float(tokens)
    for i in hessian.packed.indices { hessian.packed[i] *= factor }
    do {
      self = .factor(
        try DampedFactor(of: hessian, relativeDamping: damping), tokens: tokens)
    } catch QuantizationError.noCalibration {
      // Tokens came, but all of them were zero here.
      self = .unavailable(.roundToNearestWithoutTokens, tokens: tokens)
    } catch QuantizationError.notPositiveDefinite {
      self = .unavailable(.roundToNearestAfterFailure, tokens: tokens)
    }
  }
}
