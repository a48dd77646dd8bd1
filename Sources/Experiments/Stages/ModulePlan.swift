import BitAllocation
import Checkpoints
import Foundation
import JSON
import MoEModels
import Reconstruction

/// A plan of units, whatever their granularity, as levels of modules.
///
/// A module has the level of its projection (`layers.0.experts.3.down`), else of its MLP
/// (`layers.0.experts.3`), else of its layer (`layers.0.experts`), whichever the plan names. A level is
/// bits, where those of half levels and mixes are meant as the plan's `neuronBlocks` say; for an MLP
/// it may be slices of its neurons, `[{"bits": 4, "neurons": 96}, …]`.
struct ModulePlan: Sendable {
  private let decisions: [String: PlanFile.Decision]
  private let blocks: NeuronBlocks
  private let rank: ClosedRange<Int>?

  init(_ plan: Plan, blocks: NeuronBlocks?) throws(LevelSetError) {
    decisions = Dictionary(plan.entries.map { ($0.unit, .bits($0.bits)) }) { first, _ in first }
    self.blocks = if let blocks { blocks } else { try NeuronBlocks() }
    rank = nil
  }

  /// Reads a plan file and checks it against a model.
  ///
  /// - Parameters:
  ///   - url: JSON with `{unit: level}`, also nested under `plan`.
  ///   - configuration: Of the model.
  /// - Throws: ``QuantizeStageError`` for a file that cannot be read, units that the model does not
  ///   have, levels that they cannot have, and MLPs without a level.
  init(_ url: URL, for configuration: ModelConfiguration) throws(QuantizeStageError) {
    guard let data = FileManager.default.contents(atPath: url.path) else {
      throw .unreadablePlan(path: url.path)
    }
    do {
      let file = try PlanFile(data)
      decisions = file.decisions
      blocks = file.blocks
      rank = file.rank
      try check(against: configuration)
    } catch { throw .unusablePlan(path: url.path, reason: "\(error)") }
  }

  /// Whether it names slices of neurons, which have ranks.
  var hasSlices: Bool {
    decisions.values.contains {
      if case .slices(let slices) = $0 { slices.count > 1 } else { false }
    }
  }

  /// Nominal bits of a module; nil in attention, where the plan does not name it, and for slices.
  func bits(of module: LinearModule) -> Double? {
    guard case .bits(let bits)? = decision(of: module)?.1 else { return nil }
    return bits
  }

  /// The level of a module; nil in attention, where the plan does not name it.
  ///
  /// - Throws: ``ModulePlanError``, ``LevelSetError``.
  func level(of module: LinearModule) throws -> ModuleLevel? {
    guard let (unit, decision) = decision(of: module) else { return nil }
    let neurons = module.projection == .down ? module.columns : module.rows
    switch decision {
    case .bits(let bits):
      let mix = try blocks.level(bits: bits)
      guard mix.parts.count > 1 else { return .bits(mix.parts[0].bits) }
      guard unit == module.unit || unit.hasSuffix(".experts") else {
        throw ModulePlanError.mixedModule(unit: unit, bits: bits)
      }
      return .slices(
        NeuronSplit(Self.slices(mix.split(neurons: neurons, blockSize: blocks.size))))
    case .slices(let slices):
      let sum = slices.reduce(0) { $0 + $1.neurons }
      guard sum == neurons else {
        throw ModulePlanError.wrongNeurons(unit: unit, found: sum, expected: neurons)
      }
      guard unit == module.unit else { throw ModulePlanError.slicesOfModule(unit: unit) }
      guard slices.count > 1 else { return .bits(slices[0].bits) }
      return .slices(NeuronSplit(Self.slices(slices), rank: rank))
    }
  }

  private static func slices(_ slices: [NeuronSlice]) -> [NeuronSplit.Slice] {
    slices.map { NeuronSplit.Slice(bits: $0.bits, neurons: $0.neurons) }
  }

  private func decision(of module: LinearModule) -> (String, PlanFile.Decision)? {
    Self.names(of: module).lazy.compactMap { name in
      decisions[name].map { (name, $0) }
    }.first
  }

  /// Names under which a plan may decide about a module, the finest first.
  static func names(of module: LinearModule) -> [String] {
    guard let unit = module.unit else {
      return ["layers.\(module.layer).attention.\(module.projection.rawValue)"]
    }
    return ["\(unit).\(module.projection.rawValue)", unit, "layers.\(module.layer).experts"]
  }

  private func check(against configuration: ModelConfiguration) throws {
    var known: Set<String> = []
    for layer in 0..<configuration.layerCount {
      for module in configuration.linearModules(layer: layer) {
        let names = Self.names(of: module)
        known.formUnion(names)
        if try level(of: module) == nil, module.unit != nil {
          throw TableError.unitWithoutPlan(names[1])
        }
      }
    }
    if let unknown = decisions.keys.sorted().first(where: { !known.contains($0) }) {
      throw TableError.unknownUnit(
        unknown, nearest: nearestName(to: unknown, among: known.sorted()))
    }
  }
}

/// What a plan file says, units not yet known.
struct PlanFile {
  enum Decision: Equatable {
    case bits(Double)
    /// From high to low bits.
    case slices([NeuronSlice])
  }

  let decisions: [String: Decision]
  let blocks: NeuronBlocks
  /// Bits between which the drop of loss ranks neurons of slices.
  let rank: ClosedRange<Int>?

  init(_ data: Data) throws {
    let value = try JSONParser.parse(data)
    // Every form that other programs read is refused here first, with its place.
    _ = try Plan(importing: data, as: .plan)
    let object = (value["plan"] ?? value).objectValue
    decisions = Dictionary(
      uniqueKeysWithValues: (object?.members ?? []).map { unit, value in
        (unit, Self.decision(value))
      })
    for case (let unit, .slices(let slices)) in decisions {
      for (slice, next) in zip(slices, slices.dropFirst()) where slice.bits <= next.bits {
        throw NeuronPlanError.notFalling(unit: unit, bits: next.bits)
      }
    }
    blocks = try value["neuronBlocks"].map { try NeuronBlocks(json: $0) } ?? NeuronBlocks()
    rank = try value["rank"].map(Self.rank)
  }

  private static func decision(_ value: JSONValue) -> Decision {
    guard let list = value.arrayValue else { return .bits(value.doubleValue ?? 0) }
    return .slices(
      list.map {
        NeuronSlice(bits: $0["bits"]?.intValue ?? 0, neurons: $0["neurons"]?.intValue ?? 0)
      })
  }

  private static func rank(_ value: JSONValue) throws(ModulePlanError) -> ClosedRange<Int> {
    let bits = (value.arrayValue ?? []).compactMap(\.intValue)
    guard bits.count == 2, bits[0] < bits[1], (1...8).contains(bits[0]), bits[1] <= 8 else {
      throw .badRank(CanonicalJSON.text(value))
    }
    return bits[0]...bits[1]
  }
}

/// Why a plan's levels cannot be those of the model's modules.
enum ModulePlanError: Error, CustomStringConvertible {
  case mixedModule(unit: String, bits: Double)
  case slicesOfModule(unit: String)
  case wrongNeurons(unit: String, found: Int, expected: Int)
  case badRank(String)

  var description: String {
    switch self {
    case .mixedModule(let unit, let bits):
      "'\(unit)' gets \(CanonicalJSON.number(bits)) bits, which are several for the neurons of an "
        + "expert; give the level to the expert, or whole bits to its projections."
    case .slicesOfModule(let unit):
      "'\(unit)' gets slices of neurons, which only a whole expert can have."
    case .wrongNeurons(let unit, let found, let expected):
      "The slices of '\(unit)' sum to \(found) neurons; the model's expert has \(expected)."
    case .badRank(let found):
      "rank is \(found); give the lower and the higher bits, such as [2, 4]."
    }
  }
}
