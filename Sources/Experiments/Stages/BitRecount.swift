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
    /// The MLP that it belongs to; nil in attention.
    public let unit: String?
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
          name: module.tensor, part: module.unit == nil ? .attention : .expert, unit: module.unit,
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
      differences += zip(module.facts, report.facts).filter { $0.value != $1.value }.map {
        "\(module.name): \($0.name) \($0.value) as it is stored, modules.json says \($1.value)"
      }
    }
    differences += Dictionary(grouping: reports, by: \.module).filter { $1.count > 1 }.keys.sorted()
      .map { "\($0): more than once in modules.json" }
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

/// Something that the stored tensors of a module tell, and its report too.
private typealias Fact = (name: String, value: String)

extension BitRecount.Module {
  fileprivate var facts: [Fact] {
    [
      ("weights", "\(stored.weights)"), ("inputs", "\(stored.inputs)"),
      ("code bits", "\(stored.codeBits)"), ("metadata bits", "\(stored.metadataBits)"),
      ("bits", "\(Double(stored.codeBits) / Double(max(stored.weights, 1)))"),
      ("slices", Self.text(stored.slices.map { (bits: $0.bits, neurons: $0.neurons) })),
      ("form", stored.form ?? "output-channel"), ("group size", Self.text(stored.sharing)),
      ("elements of the sparse part", "\(stored.sparseElements)"),
      ("bits of the sparse part", "\(stored.sparseBits)"), ("unit", unit ?? "attention"),
    ]
  }

  /// 128 neurons of 3 and 128 of 2 bits are `128×3+128×2`.
  fileprivate static func text(_ slices: [(bits: Int, neurons: Int)]) -> String {
    slices.isEmpty
      ? "none" : slices.map { "\($0.neurons)×\($0.bits)" }.joined(separator: "+")
  }

  fileprivate static func text(_ groupSize: Int?) -> String {
    groupSize.map { "\($0)" } ?? "a whole row"
  }
}

extension ModuleReport {
  /// In the order of those of ``BitRecount/Module``.
  fileprivate var facts: [Fact] {
    [
      ("weights", "\(weights)"), ("inputs", "\(inputFeatures)"), ("code bits", "\(codeBits)"),
      ("metadata bits", "\(metadataBits)"), ("bits", "\(bits)"),
      (
        "slices",
        BitRecount.Module.text((slices ?? []).map { (bits: $0.bits, neurons: $0.neurons) })
      ),
      ("form", form?.rawValue ?? "output-channel"),
      ("group size", BitRecount.Module.text(groupSize)),
      ("elements of the sparse part", "\(outliers?.stored ?? 0)"),
      ("bits of the sparse part", "\(outliers?.bits ?? 0)"), ("unit", unit ?? "attention"),
    ]
  }
}
