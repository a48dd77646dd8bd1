import BitAllocation
import Evaluation
import Foundation
import MoEModels
import Reconstruction
import Synchronization
import Tensors

/// Mean KL(P_full ‖ P) per token of plans, the models being put together from a level store
/// (DECISIONS: Measured fitness).
final class PlanDivergence: Sendable {
  /// What the units of the plans are.
  enum Units: Sendable {
    /// Layers, experts or projections; the levels of half levels and mixes.
    case modules(NeuronBlocks?)
    /// Blocks of neurons.
    case neurons(NeuronTable, blockSize: Int)
  }

  private let store: LevelStore
  /// On the tokens of each stage of selection, the last on all.
  private let search: [CandidateDivergence]
  private let selection: CandidateDivergence
  private let modules: [[LinearModule]]
  private let units: Units
  private let counted: Atomic<Int>

  /// Tokens that went through models, the full-precision passes included.
  var forwardTokens: Int { counted.load(ordering: .relaxed) }

  /// - Parameters:
  ///   - store: Every module at every level.
  ///   - units: Of the plans.
  ///   - full: The model.
  ///   - tokens: Of search and selection.
  ///   - stageTokens: Of each stage of selection.
  ///   - precision: Of the passes.
  ///   - spent: Tokens that an earlier part of the same search sent through models.
  /// - Throws: What reading the model throws.
  init(
    store: LevelStore, units: Units, full: any WeightSource, tokens: SearchTokens,
    stageTokens: [Int], precision: Precision, spent: Int = 0
  ) throws {
    (self.store, self.units) = (store, units)
    let stages = stageTokens.dropLast().map { tokens.search(ofAtLeast: $0) } + [tokens.search]
    search = try stages.map { sequences in
      CandidateDivergence(
        try ReferencePredictions(of: sequences, source: full, precision: precision),
        source: full)
    }
    selection = CandidateDivergence(
      try ReferencePredictions(of: tokens.selection, source: full, precision: precision),
      source: full)
    let configuration = full.configuration
    modules = (0..<configuration.layerCount).map { configuration.linearModules(layer: $0) }
    counted = Atomic(
      (stages.joined() + tokens.selection).reduce(spent) { $0 + $1.count })
  }

  var fitness: MeasuredFitness {
    MeasuredFitness { plans, tokens in
      try self.means(of: plans, self.divergence(on: tokens))
    }
  }

  private func divergence(on tokens: MeasuredFitness.Tokens) -> CandidateDivergence {
    switch tokens {
    case .selection: selection
    case .search(let stage): search[min(stage, search.count - 1)]
    }
  }

  private func means(of plans: [Plan], _ divergence: CandidateDivergence) throws -> [Double] {
    let keys = try plans.map(layerLevels)
    let (means, tokens) = try divergence.means(of: keys) { layer, key in
      let named = zip(modules[layer], key.modules).filter { !$0.1.isEmpty }
      return store.assembled(
        Dictionary(uniqueKeysWithValues: named.map { ($0.0.tensor, $0.1) }))
    }
    counted.add(tokens, ordering: .relaxed)
    return means
  }

  /// What decides the weights of each layer.
  private func layerLevels(of plan: Plan) throws -> [LayerLevels] {
    switch units {
    case .modules(let blocks):
      let levels = try ModulePlan(plan, blocks: blocks)
      return modules.map { layer in
        LayerLevels(
          modules: layer.map { module in
            levels.bits(of: module).map { [LevelStore.Part(level: $0)] } ?? []
          })
      }
    case .neurons(let table, let blockSize):
      return layerLevels(of: table.plan(ofBlocks: plan, size: blockSize), table)
    }
  }

  private func layerLevels(of plan: NeuronPlan, _ table: NeuronTable) -> [LayerLevels] {
    var parts: [String: [LevelStore.Part]] = [:]
    for (expert, entry) in zip(table.experts, plan.entries) {
      var start = 0
      parts[entry.unit] = entry.slices.map { slice in
        defer { start += slice.neurons }
        return LevelStore.Part(
          level: Double(slice.bits),
          neurons: expert.order[start..<start + slice.neurons].map { Int($0) })
      }
    }
    return modules.map { layer in
      LayerLevels(modules: layer.map { module in module.unit.flatMap { parts[$0] } ?? [] })
    }
  }
}

/// Levels of the modules of a layer; empty where the plan does not name one.
private struct LayerLevels: Hashable, Comparable {
  let modules: [[LevelStore.Part]]

  /// The neurons of a rank are the same in all plans, so that their number tells which they are.
  private var order: [Double] {
    modules.flatMap { parts in
      [Double(parts.count)] + parts.flatMap { [$0.level, Double($0.neurons?.count ?? 0)] }
    }
  }

  static func < (a: LayerLevels, b: LayerLevels) -> Bool {
    a.order.lexicographicallyPrecedes(b.order)
  }
}
