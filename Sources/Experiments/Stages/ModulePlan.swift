import BitAllocation
import Checkpoints
import Foundation
import JSON
import MoEModels

/// A plan of units, whatever their granularity, as bits of modules.
///
/// A module has the level of its projection (`layers.0.experts.3.down`), else of its MLP
/// (`layers.0.experts.3`), else of its layer (`layers.0.experts`), whichever the plan names.
struct ModulePlan: Sendable {
  private let bits: [String: Double]

  init(_ plan: Plan) {
    bits = Dictionary(plan.entries.map { ($0.unit, $0.bits) }) { first, _ in first }
  }

  /// Reads a plan file and checks it against a model.
  ///
  /// - Parameters:
  ///   - url: JSON with `{unit: bits}`, also nested under `plan`.
  ///   - configuration: Of the model.
  /// - Throws: ``QuantizeStageError`` for a file that cannot be read, units that the model does not
  ///   have, and MLPs without bits.
  init(_ url: URL, for configuration: ModelConfiguration) throws(QuantizeStageError) {
    guard let data = FileManager.default.contents(atPath: url.path) else {
      throw .unreadablePlan(path: url.path)
    }
    do {
      let plan = try Plan(importing: data, as: .plan)
      try Self.check(plan, against: configuration)
      self.init(plan)
    } catch { throw .unusablePlan(path: url.path, reason: "\(error)") }
  }

  /// The level of a module; nil in attention, where the plan does not name it.
  func level(of module: LinearModule) -> Double? {
    Self.names(of: module).lazy.compactMap { bits[$0] }.first
  }

  /// Names under which a plan may decide about a module, the finest first.
  static func names(of module: LinearModule) -> [String] {
    guard let unit = module.unit else {
      return ["layers.\(module.layer).attention.\(module.projection.rawValue)"]
    }
    return ["\(unit).\(module.projection.rawValue)", unit, "layers.\(module.layer).experts"]
  }

  private static func check(_ plan: Plan, against configuration: ModelConfiguration) throws {
    let named = Set(plan.entries.map(\.unit))
    var known: Set<String> = []
    for layer in 0..<configuration.layerCount {
      for module in configuration.linearModules(layer: layer) {
        let names = names(of: module)
        known.formUnion(names)
        guard module.unit != nil, named.isDisjoint(with: names) else { continue }
        throw TableError.unitWithoutPlan(names[1])
      }
    }
    if let unknown = plan.entries.first(where: { !known.contains($0.unit) }) {
      throw TableError.unknownUnit(
        unknown.unit, nearest: nearestName(to: unknown.unit, among: known.sorted()))
    }
  }
}
