import Evaluation
import Foundation

/// Goes through the stages of a point: finds each artifact or builds it.
struct StageWork {
  let point: PointExecution
  /// Stage name → digest of what it is made from.
  let recipes: [String: String]
  private(set) var artifacts: [String: Artifact] = [:]
  private(set) var records: [StageRecord] = []
  private(set) var built = 0
  /// Stages whose artifacts were found damaged.
  private var suspects: Set<String> = []

  init(point: PointExecution, recipes: [String: String]) {
    self.point = point
    self.recipes = recipes
  }

  /// - Returns: false if another process is building a stage.
  mutating func run(_ stages: [Stage]) throws -> Bool {
    var next = stages.startIndex
    while next < stages.endIndex {
      let stage = stages[next]
      guard let keyed = try point.engine.resolver.keyed(stage, artifacts: artifacts) else {
        preconditionFailure("\(stage.name): recipes(of:) admits earlier stages only")
      }
      do {
        guard let production = try produce(keyed) else { return false }
        try record(production, of: keyed)
        next += 1
      } catch let damaged as DamagedInput {
        next = goBack(to: damaged.stage, in: stages)
      } catch {
        throw RunnerError.stageFailed(stage: stage.name, cause: ErrorText.line(error))
      }
    }
    return true
  }

  /// A stage was to be built from an artifact that has changed since it was written.
  private struct DamagedInput: Error {
    var stage: String
  }

  /// Takes the damaged artifact, and what came after it, as not found yet.
  private mutating func goBack(to damaged: String, in stages: [Stage]) -> Int {
    guard let index = stages.firstIndex(where: { $0.name == damaged }) else {
      preconditionFailure("\(damaged) is no stage of this point")
    }
    suspects.insert(damaged)
    for stage in stages[index...] { artifacts[stage.name] = nil }
    records.removeSubrange(min(index, records.count)...)
    return index
  }

  /// Reads every byte of the artifacts that a stage is built from.
  private func checkInputs(of keyed: KeyedStage) throws {
    for (_, source) in keyed.stage.inputs.sorted(by: { $0.key < $1.key }) {
      guard case .stage(let name) = source, let key = artifacts[name]?.manifest.key else {
        continue
      }
      let found = point.engine.store.lookup(stage: name, key: key, verifyingContent: true)
      guard case .intact = found else { throw DamagedInput(stage: name) }
    }
  }

  private func produce(_ keyed: KeyedStage) throws -> ArtifactStore.Production? {
    let folder = point.engine.workspace.run(point.run.id)
    return try point.engine.store.produce(
      keyed, verifyingContent: point.options.verify || suspects.contains(keyed.stage.name),
      notice: { sentence in
        point.observer(.notice(sentence))
        folder.log(sentence)
      },
      build: { directory in try build(keyed, in: directory) })
  }

  private func build(_ keyed: KeyedStage, in directory: URL) throws -> ArtifactStore.Cost {
    try checkInputs(of: keyed)
    let name = keyed.stage.name
    let (observer, remaining, recipe) = (point.observer, point.remaining, recipes[name])
    observer(.stageStarted(name: name, remainingSeconds: remaining.estimate()))
    let scope = PeakMemory.reset()
    let start = Date.now
    let folder = point.engine.workspace.run(point.run.id)
    let recovery = folder.recovery(stage: name, key: keyed.key)
    let spent = SpentTime(in: recovery)
    var context = StageContext(
      directory: directory, inputs: keyed.inputs, digests: keyed.inputDigests, recovery: recovery
    ) { fraction, note in
      let elapsed = spent.keep()
      observer(
        .stageProgress(
          name: name, fraction: fraction, note: note,
          remainingSeconds: remaining.estimate(
            during: recipe, elapsed: elapsed, fraction: fraction)))
    }
    context.notice = { sentence in
      observer(.notice(sentence))
      folder.log(sentence)
    }
    try keyed.stage.body(context)
    let seconds = spent.seconds
    try? FileManager.default.removeItem(at: recovery)
    return ArtifactStore.Cost(
      seconds: seconds, peakMemory: PeakMemory.read(scope),
      provenance: point.provenance.timed(from: start))
  }

  private mutating func record(
    _ production: ArtifactStore.Production, of keyed: KeyedStage
  ) throws {
    let (name, manifest) = (keyed.stage.name, production.artifact.manifest)
    artifacts[name] = production.artifact
    records.append(
      StageRecord(
        name: name, key: keyed.key, digest: manifest.digest, inputs: keyed.inputDigests,
        cached: production.cached, seconds: manifest.seconds,
        peakMemoryBytes: manifest.peakMemoryBytes, forwardTokens: manifest.forwardTokens))
    if !production.cached {
      built += 1
      try journal(manifest)
    }
    let seconds = production.cached ? nil : manifest.seconds
    if let recipe = recipes[name] {
      point.remaining.finish(recipe: recipe, stage: name, builtIn: seconds)
    }
    point.observer(
      .stageFinished(
        name: name, cached: production.cached, seconds: manifest.seconds,
        remainingSeconds: point.remaining.estimate()))
  }

  private func journal(_ manifest: Manifest) throws {
    let folder = point.engine.workspace.run(point.run.id)
    var event = RunJournal.Event(.stage)
    event.stage = manifest.stage
    event.key = manifest.key
    event.cached = false
    event.seconds = manifest.seconds
    try folder.journal.append(event)
    folder.log("\(manifest.stage) built in \(manifest.seconds) s, key \(manifest.key)")
  }
}
