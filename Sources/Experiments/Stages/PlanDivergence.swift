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
  private let store: LevelStore
  /// On the tokens of each stage of selection, the last on all.
  private let search: [CandidateDivergence]
  private let selection: CandidateDivergence
  private let modules: [[LinearModule]]
  private let blocks: NeuronBlocks?
  private let counted = Atomic<Int>(0)

  /// Tokens that went through models, the full-precision passes included.
  var forwardTokens: Int { counted.load(ordering: .relaxed) }

  init(
    store: LevelStore, blocks: NeuronBlocks?, full: any WeightSource, tokens: SearchTokens,
    stageTokens: [Int], precision: Precision
  ) throws {
    (self.store, self.blocks) = (store, blocks)
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
    counted.add(
      (stages.joined() + tokens.selection).reduce(0) { $0 + $1.count }, ordering: .relaxed)
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
    let models = try plans.map { try ModulePlan($0, blocks: blocks) }
    // The levels of a layer's modules are its key.
    let keys = models.map { plan in
      modules.map { LayerLevels($0.map { plan.bits(of: $0) ?? 0 }) }
    }
    let (means, tokens) = try divergence.means(of: keys) { layer, key in
      let named = zip(modules[layer], key.levels).filter { $0.1 > 0 }
      return store.assembled(
        Dictionary(uniqueKeysWithValues: named.map { ($0.0.tensor, $0.1) }))
    }
    counted.add(tokens, ordering: .relaxed)
    return means
  }
}

/// Bits of the modules of a layer, 0 where the plan does not name one.
private struct LayerLevels: Hashable, Comparable {
  let levels: [Double]

  init(_ levels: [Double]) { self.levels = levels }

  static func < (a: LayerLevels, b: LayerLevels) -> Bool {
    a.levels.lexicographicallyPrecedes(b.levels)
  }
}
