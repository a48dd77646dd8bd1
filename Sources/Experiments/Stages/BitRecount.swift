public import BitAllocation
public import Checkpoints
import Foundation
import MoEModels
import Reconstruction

/// Every bit of a quantized folder's file, counted from the stored tensors and not from what the
/// quantizer reported.
public struct BitRecount: Sendable {
  /// A quantized weight.
  public struct Module: Sendable {
    public let name: String
    public let part: ModelPart
    public let stored: StoredBits
  }

  /// In the order of the model.
  public let modules: [Module]
  /// Tensors that keep their precision.
  public let unquantized: UnquantizedTensors
  /// Bits of the header, its padding included.
  public let headerBits: Int
  public let fileBytes: Int

  /// - Throws: ``PackedWeightError``.
  public init(_ checkpoint: QuantizedCheckpoint) throws {
    let configuration = checkpoint.configuration
    let quantized = Set(checkpoint.quantizedWeights)
    modules = try (0..<configuration.layerCount)
      .flatMap { configuration.linearModules(layer: $0) }
      .filter { quantized.contains($0.tensor) }
      .map { module in
        Module(
          name: module.tensor, part: module.unit == nil ? .attention : .expert,
          stored: try checkpoint.storedBits(of: module.tensor))
      }
    let counted = Set(modules.flatMap(\.stored.tensors))
    let infos = checkpoint.tensorNames.compactMap(checkpoint.info)
    unquantized = infos.filter { !counted.contains($0.name) }.reduce(
      UnquantizedTensors(weights: 0, bits: 0)
    ) {
      UnquantizedTensors(
        weights: $0.weights + $1.elementCount, bits: $0.bits + Double(8 * $1.byteCount))
    }
    fileBytes = checkpoint.byteCount
    headerBits = 8 * (checkpoint.byteCount - infos.reduce(0) { $0 + $1.byteCount })
  }

  /// Bits of a kind in a part of the model.
  public func bits(_ kind: StoredBits.Kind, _ part: ModelPart) -> Int {
    modules.reduce(0) { $0 + ($1.part == part ? $1.stored.bits[kind] ?? 0 : 0) }
  }

  /// Weights that are quantized.
  public var weights: Int { modules.reduce(0) { $0 + $1.stored.weights } }

  /// Every ledger that the stored tensors tell.
  public var ledgers: [String: Double] {
    Ledger.values(
      of: modules.map { QuantizedModule($0) }, fileBytes: fileBytes, unquantized: unquantized)
  }
}

extension QuantizedModule {
  fileprivate init(_ module: BitRecount.Module) {
    let stored = module.stored
    self.init(
      name: module.name, part: module.part, weights: stored.weights,
      codeBits: Double(stored.codeBits), metadataBits: Double(stored.metadataBits),
      groupSize: stored.groupSize, exl2Bits: nil)
  }
}

/// Where the quantizer's report and the file differ.
public struct RecountComparison: Sendable {
  /// Name, from the stored tensors, from `modules.json`; nil where one of them does not tell.
  public let ledgers: [(name: String, stored: Double?, reported: Double?)]
  /// One line for each module that differs.
  public let differences: [String]

  /// - Parameters:
  ///   - recount: Of the file.
  ///   - reports: Of `modules.json`.
  public init(_ recount: BitRecount, reports: [ModuleReport]) {
    let reported = Ledger.values(
      of: reports.map(QuantizedModule.init), fileBytes: recount.fileBytes,
      unquantized: recount.unquantized)
    let stored = recount.ledgers
    // EXL2's layout is another one; it cannot be counted in this file.
    ledgers = Ledger.allCases.filter { $0 != .exl2 }.map(\.rawValue).compactMap { name in
      stored[name] == nil && reported[name] == nil ? nil : (name, stored[name], reported[name])
    }
    let byName = Dictionary(reports.map { ($0.module, $0) }, uniquingKeysWith: { $1 })
    var differences: [String] = []
    for module in recount.modules {
      guard let report = byName[module.name] else {
        differences.append("\(module.name): not in modules.json")
        continue
      }
      let pairs = [
        ("weights", module.stored.weights, report.weights),
        ("code bits", module.stored.codeBits, report.codeBits),
        ("metadata bits", module.stored.metadataBits, report.metadataBits),
      ]
      differences += pairs.filter { $0.1 != $0.2 }.map {
        "\(module.name): \($0.1) \($0.0) are stored, modules.json says \($0.2)"
      }
    }
    let names = Set(recount.modules.map(\.name))
    differences += reports.filter { !names.contains($0.module) }
      .map { "\($0.module): in modules.json and not stored" }
    // Relative 1e-12: both are quotients of the same whole numbers, summed in another order.
    differences += ledgers.filter { _, stored, reported in
      guard let stored, let reported else { return true }
      return abs(stored - reported) > 1e-12 * abs(stored)
    }.map { name, stored, reported in
      "ledger \(name): \(stored.map { "\($0)" } ?? "nothing") is stored, "
        + "modules.json gives \(reported.map { "\($0)" } ?? "nothing")"
    }
    self.differences = differences
  }
}
