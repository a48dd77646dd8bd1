import Foundation
import JSON

extension Engine {
  /// Says for each stage of each run whether it is cached, new or stale, and why. Writes nothing
  /// but remembered digests.
  public func plan(
    _ spec: ExperimentSpec, options: RunOptions = RunOptions()
  ) throws -> ExperimentPlan {
    var planner = Planner(engine: self, verifies: options.verify)
    let runs = try spec.runs(with: pipeline).filter(options.only.admits)
    return planner.plan(runs, of: spec)
  }
}

/// Plans the runs of one experiment, remembering what it learned on the way.
struct Planner {
  let engine: Engine
  let verifies: Bool
  private var manifests: [String: [Manifest]] = [:]
  /// Recipes that an earlier run of the plan builds.
  private var planned: Set<String> = []

  init(engine: Engine, verifies: Bool) {
    self.engine = engine
    self.verifies = verifies
  }

  mutating func plan(_ runs: [PlannedRun], of spec: ExperimentSpec) -> ExperimentPlan {
    let points = runs.map { plan($0, of: spec) }
    let work = points.flatMap(\.stages).filter { $0.state != .cached && !$0.isShared }
    let seconds = work.map(\.estimatedSeconds)
    return ExperimentPlan(
      experiment: spec.name, runs: points,
      estimatedSeconds: seconds.contains(nil) ? nil : seconds.reduce(0) { $0 + ($1 ?? 0) },
      expectedBytes: work.reduce(0) { $0 + ($1.expectedBytes ?? 0) })
  }

  private mutating func plan(_ run: PlannedRun, of spec: ExperimentSpec) -> PlannedPoint {
    let labels = RunPoint(run, of: spec)
    var point = PlannedPoint(
      run: run.id, axes: labels.axes, aliases: labels.aliases, seeds: labels.seeds, state: .new,
      stages: [])
    do {
      let stages = try engine.stages(of: run)
      let recipes = try engine.resolver.recipes(of: stages)
      let steps = try engine.resolve(stages, verifyingContent: verifies)
      let folder = engine.workspace.run(run.id)
      point.stages = steps.map { plan($0, recipe: recipes[$0.stage.name] ?? "", of: folder) }
      (point.state, point.error) = try state(of: folder, steps, recipes)
    } catch {
      point.error = ErrorText.line(error)
    }
    return point
  }

  private func state(
    of folder: RunFolder, _ steps: [StageStep], _ recipes: [String: String]
  ) throws -> (PlannedPoint.State, String?) {
    if let result = folder.result(), engine.isCurrent(result, for: steps) { return (.done, nil) }
    if FileLock.isHeld(folder.lockFile) { return (.running, nil) }
    let recipe = Digest.of(CanonicalJSON.data(try JSONValue(encoding: recipes)))
    if let last = folder.journal.lastOutcome, last.kind == .failed, last.recipe == recipe {
      return (.failed, last.error)
    }
    return (steps.contains { $0.artifact != nil } ? .partial : .new, nil)
  }

  private mutating func plan(
    _ step: StageStep, recipe: String, of folder: RunFolder
  ) -> PlannedStage {
    let name = step.stage.name
    var planned = PlannedStage(
      name: name, state: .cached, key: step.keyed?.key, isShared: false)
    if let artifact = step.artifact {
      planned.expectedBytes = artifact.manifest.bytes
      planned.estimatedSeconds = 0
      return planned
    }
    planned.isShared = !self.planned.insert(recipe).inserted
    planned.expectedBytes = step.stage.expectedBytes
    planned.estimatedSeconds = RemainingTime.median(manifests(of: name).map(\.seconds))
    (planned.state, planned.reason) = verdict(on: step, of: folder)
    return planned
  }

  private mutating func verdict(
    on step: StageStep, of folder: RunFolder
  ) -> (PlannedStage.State, String) {
    guard let keyed = step.keyed else {
      let sources = step.stage.inputs.values.compactMap { source in
        if case .stage(let name) = source { name } else { nil }
      }
      return (.waits, "waits for \(sources.sorted().joined(separator: ", "))")
    }
    if let damage = step.damage { return (.stale, "damaged: \(damage)") }
    if let before = earlierKey(of: keyed.stage.name, in: folder), before != keyed.key {
      return (.stale, staleReason(keyed, before: before))
    }
    let others = manifests(of: keyed.stage.name)
    guard let nearest = StageDifference.nearest(to: keyed, among: others) else {
      return (.new, "no earlier result of this stage")
    }
    return (.new, "unlike the nearest result in \(nearest)")
  }

  private mutating func staleReason(_ keyed: KeyedStage, before: String) -> String {
    guard let manifest = manifests(of: keyed.stage.name).first(where: { $0.key == before }) else {
      return "this run used \(before.prefix(10)), which is gone"
    }
    return "changed: \(StageDifference(of: keyed, from: manifest))"
  }

  /// The key this run used for a stage last time.
  private func earlierKey(of stage: String, in folder: RunFolder) -> String? {
    if let record = folder.result()?.stages.first(where: { $0.name == stage }) { return record.key }
    return folder.journal.events().last { $0.kind == .stage && $0.stage == stage }?.key
  }

  private mutating func manifests(of stage: String) -> [Manifest] {
    if let known = manifests[stage] { return known }
    let found = engine.store.manifests(stage: stage)
    manifests[stage] = found
    return found
  }
}
