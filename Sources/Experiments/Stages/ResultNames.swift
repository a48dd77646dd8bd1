import BitAllocation
import Reconstruction

/// The names that results of an experiment can have, known before anything is computed.
public struct ResultNames: Sendable, Equatable {
  /// Metric → the scopes it is measured on.
  public var metrics: [String: Set<String>]
  public var ledgers: Set<String>
  public var counts: Set<String>
  public var stages: Set<String>

  public init(
    metrics: [String: Set<String>], ledgers: Set<String>, counts: Set<String>, stages: Set<String>
  ) {
    self.metrics = metrics
    self.ledgers = ledgers
    self.counts = counts
    self.stages = stages
  }
}

extension ModelPipeline {
  /// What the stages of these points leave for reports.
  public static func resultNames(of points: [GridPoint]) -> ResultNames {
    let evaluations = points.map(\.parameters.evaluation)
    let corpora = evaluations.flatMap { $0.perplexity.map { Array($0.corpora.keys) } ?? [] }
    let tasks = evaluations.flatMap(\.itemFiles).map(\.name)
    var metrics: [String: Set<String>] = [:]
    if !corpora.isEmpty {
      metrics["perplexity"] = Set(corpora + ["all"])
      metrics["bits-per-byte"] = Set(corpora + ["all"])
    }
    for case let perplexity? in evaluations.map(\.perplexity)
    where perplexity.protocol == .lmEval {
      metrics["word-perplexity", default: []].formUnion(perplexity.corpora.keys)
    }
    if !tasks.isEmpty { metrics["accuracy"] = Set(tasks + ["all"]) }
    for point in points { EvaluateStage.addResultNames(of: point.parameters, to: &metrics) }
    for case let divergence? in evaluations.map(\.divergence) where !divergence.corpora.isEmpty {
      for name in DivergenceMetrics.names(routes: divergence.routes) {
        let scopes = Set(divergence.corpora.keys).union(["all"])
        metrics[name, default: []].formUnion(scopes)
        if divergence.noise != .none {
          metrics["\(name)-noise-floor", default: []].formUnion(scopes)
        }
      }
    }
    for speed in evaluations.compactMap(\.speed) {
      for name in BenchStage.metricNames(speed) { metrics[name] = ["all"] }
    }
    let divergences = evaluations.contains { $0.divergence != nil }
    let measured = points.compactMap(\.parameters.allocation).filter { $0.fitness == .measured }
    if !measured.isEmpty {
      metrics["fitness"] = [
        "search", "selection", "search, requantized", "selection, requantized",
      ]
    }
    // What only some methods can leave is promised only where a point has such a method.
    let methods = points.compactMap { $0.parameters.quantizer?.quantizationMethod }
    var counts: Set<String> = [
      "rtn-fallbacks", "uncovered-experts", "singular-hessians", "damping-escalations",
    ]
    if methods.contains(where: \.readsImportance) { counts.insert("uninformed-modules") }
    if methods.contains(where: \.learns) {
      counts.formUnion(["omniquant-kept-start", "omniquant-without-steps"])
    }
    if methods.contains(where: { $0.axis != .outputChannel }) {
      counts.insert("input-channel-modules")
    }
    return ResultNames(
      metrics: metrics, ledgers: Set(Ledger.allCases.map(\.rawValue)), counts: counts,
      stages: Set(
        [
          CalibrateStage.name, MeasureStage.name, AllocateStage.name, QuantizeStage.name,
          EvaluateStage.name,
        ] + points.flatMap { $0.parameters.furtherStages }
          + (divergences ? [ReferenceStage.name, DivergenceStage.name] : [])
          + measured.flatMap { $0.levels.levels.map(LevelStage.name) + [RequantizedStage.name] }))
  }
}
