import Foundation
import JSON

/// One attempt at one point, under the claim on its run folder.
struct PointExecution {
  let engine: Engine
  let spec: ExperimentSpec
  let run: PlannedRun
  let options: RunOptions
  let observer: RunObserver
  let remaining: RemainingTime
  let provenance: Provenance
  /// An earlier attempt of this process wrote `started` already.
  let isBegun: Bool
  let position: PointPosition

  struct Attempt {
    /// nil if the point, or a stage it needs, is claimed by another process.
    var ending: PointEnding?
    var began = false
    var stagesBuilt = 0
  }

  private var folder: RunFolder { engine.workspace.run(run.id) }

  func attempt() throws -> Attempt {
    try FileLock.ifFree(folder.lockFile) { try attemptClaimed() } ?? Attempt()
  }

  private func attemptClaimed() throws -> Attempt {
    tellDamage()
    let stages: [Stage]
    let recipes: [String: String]
    do {
      stages = try engine.stages(of: run)
      recipes = try engine.resolver.recipes(of: stages)
      if try isComplete(stages) { return Attempt(ending: .unchanged) }
    } catch {
      try begin(recipe: nil)
      return Attempt(ending: try fail(error, recipe: nil), began: true)
    }
    let recipe = Digest.of(CanonicalJSON.data(try JSONValue(encoding: recipes)))
    if let error = earlierFailure(recipe) {
      remaining.abandon(recipes: recipes.values)
      return Attempt(ending: .failedBefore(error))
    }
    try begin(recipe: recipe)
    return try execute(stages, recipes, recipe)
  }

  private func execute(
    _ stages: [Stage], _ recipes: [String: String], _ recipe: String
  ) throws -> Attempt {
    var work = StageWork(point: self, recipes: recipes)
    let start = Date.now
    do {
      guard try work.run(stages) else {
        return Attempt(ending: nil, began: true, stagesBuilt: work.built)
      }
      let outcome = try engine.pipeline.outcome(
        for: run.point.parameters, artifacts: work.artifacts.mapValues(\.url))
      try outcome.check()
      try folder.write(result(outcome, work.records, provenance.timed(from: start)))
    } catch {
      remaining.abandon(recipes: recipes.values)
      return Attempt(ending: try fail(error, recipe: recipe), began: true, stagesBuilt: work.built)
    }
    try folder.journal.append(RunJournal.Event(.finished))
    folder.log("finished")
    return Attempt(ending: .done, began: true, stagesBuilt: work.built)
  }

  private func result(
    _ outcome: PointOutcome, _ stages: [StageRecord], _ provenance: Provenance
  ) -> RunResult {
    let point = RunPoint(run, of: spec)
    return RunResult(
      schemaVersion: 1, run: run.id, experiment: spec.name, spec: spec.digest, axes: point.axes,
      aliases: point.aliases, seeds: point.seeds, parameters: point.parameters, stages: stages,
      outcome: outcome, provenance: provenance)
  }
}

// MARK: - What the run folder says

extension PointExecution {
  /// Whether the result on disk is that of the artifacts as they are keyed now.
  private func isComplete(_ stages: [Stage]) throws -> Bool {
    guard var result = folder.result(), result.run == run.id else { return false }
    let steps = try engine.resolve(stages, verifyingContent: options.verify)
    guard engine.isCurrent(result, for: steps) else { return false }
    try folder.write(RunPoint(run, of: spec))
    if result.axes != run.point.axes || result.aliases ?? [] != run.point.aliases {
      result.axes = run.point.axes
      result.aliases = run.point.aliases
      try folder.write(result)
      try folder.journal.append(RunJournal.Event(.relabelled))
    }
    if folder.journal.lastOutcome?.kind != .finished {
      try folder.journal.append(RunJournal.Event(.finished))
    }
    return true
  }

  /// Says, once, that the result on disk cannot be read, which makes the run one to do.
  private func tellDamage() {
    guard !isBegun, let damage = folder.damage() else { return }
    let sentence = "\(damage) It is done again from its artifacts."
    observer(.notice(sentence))
    folder.log(sentence)
  }

  private func earlierFailure(_ recipe: String) -> String? {
    guard !options.retryFailed, let last = folder.journal.lastOutcome, last.kind == .failed,
      last.recipe == recipe
    else { return nil }
    return last.error ?? "no message"
  }

  private func begin(recipe: String?) throws {
    observer(.pointStarted(position: position))
    guard !isBegun else { return }
    try folder.write(RunPoint(run, of: spec))
    var event = RunJournal.Event(.started)
    event.recipe = recipe
    try folder.journal.append(event)
    folder.log("started: \(run.title)")
  }

  private func fail(_ error: any Error, recipe: String?) throws -> PointEnding {
    var event = RunJournal.Event(.failed)
    let sentence = ErrorText.line(error)
    event.error = sentence
    event.recipe = recipe
    try folder.journal.append(event)
    folder.log("failed: \(sentence)")
    return .failed(sentence)
  }
}

extension PointOutcome {
  /// Refuses metrics that the index could not tell apart.
  func check() throws(RunnerError) {
    var seen: Set<String> = []
    for metric in metrics {
      let (name, scope) = (metric.definition.name, metric.definition.scope)
      guard (metric.value == nil) != (metric.special == nil) else {
        throw .metricWithoutValue(name: name, scope: scope)
      }
      guard seen.insert(metric.definition.id).inserted else {
        throw .metricGivenTwice(name: name, scope: scope)
      }
    }
    for (name, value) in ledgers.sorted(by: { $0.key < $1.key }) where !value.isFinite {
      throw .ledgerNotFinite(name)
    }
  }
}

extension MetricDefinition {
  /// Digest of the definition: equal for numbers that may share a column.
  public var id: String {
    let json: JSONValue = [
      "name": JSONValue(name), "scope": JSONValue(scope), "unit": JSONValue(unit),
      "higherIsBetter": JSONValue(higherIsBetter), "protocolParameters": protocolParameters,
    ]
    return Digest.of(CanonicalJSON.data(json))
  }
}
