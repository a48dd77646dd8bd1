import Foundation

/// One execution of an experiment: goes round the points until none is left.
struct ExperimentExecution {
  let engine: Engine
  let spec: ExperimentSpec
  let runs: [PlannedRun]
  let options: RunOptions
  let observer: RunObserver
  private var summary: RunSummary
  private let remaining: RemainingTime
  private let provenance: Provenance
  private let index: Index
  /// Runs whose journal already says that this process began them.
  private var begun: Set<String> = []

  /// How often a process looks whether a claim was released.
  private static let claimPoll = 0.05

  init(
    engine: Engine, spec: ExperimentSpec, runs: [PlannedRun], options: RunOptions,
    observer: @escaping RunObserver
  ) {
    self.engine = engine
    self.spec = spec
    self.runs = runs
    self.options = options
    self.observer = observer
    summary = RunSummary(experiment: spec.name)
    remaining = engine.remainingTime(for: runs)
    provenance = Provenance.capture(
      folder: spec.folder, threads: engine.threads, libraries: engine.libraries)
    index = Index(engine.workspace)
  }

  mutating func run() throws -> RunSummary {
    let start = ContinuousClock.now
    observer(.began(runs: runs.count))
    var left = Array(runs.enumerated())
    while !left.isEmpty {
      let busy = try pass(over: left)
      if busy.count == left.count {
        observer(.waiting(points: busy.count))
        Thread.sleep(forTimeInterval: Self.claimPoll)
      }
      left = busy
    }
    summary.seconds = (ContinuousClock.now - start) / .seconds(1)
    observer(.ended(summary))
    return summary
  }

  /// Tries each point once; returns those that other processes hold.
  private mutating func pass(
    over left: [(offset: Int, element: PlannedRun)]
  ) throws -> [(offset: Int, element: PlannedRun)] {
    var busy: [(offset: Int, element: PlannedRun)] = []
    var unchanged: [RunFolder] = []
    for (offset, run) in left {
      let position = PointPosition(
        number: offset + 1, count: runs.count, run: run.id, title: run.title)
      guard let ending = try attempt(run, position) else {
        busy.append((offset, run))
        continue
      }
      summary.count(ending)
      let folder = engine.workspace.run(run.id)
      if ending == .unchanged { unchanged.append(folder) } else { try index.record([folder]) }
      observer(.pointEnded(position: position, ending: ending))
    }
    // Indexed already, unless a kill came between the result and the index: one look for all.
    if !unchanged.isEmpty { try index.record(unchanged) }
    return busy
  }

  private mutating func attempt(
    _ run: PlannedRun, _ position: PointPosition
  ) throws -> PointEnding? {
    let point = PointExecution(
      engine: engine, spec: spec, run: run, options: options, observer: observer,
      remaining: remaining, provenance: provenance, isBegun: begun.contains(run.id),
      position: position)
    let attempt = try point.attempt()
    if attempt.began { begun.insert(run.id) }
    summary.stagesBuilt += attempt.stagesBuilt
    return attempt.ending
  }
}

extension Engine {
  /// What is left to do, from the artifacts that are there.
  fileprivate func remainingTime(for runs: [PlannedRun]) -> RemainingTime {
    var open: [String: String] = [:]
    for run in runs {
      guard let stages = try? stages(of: run), let recipes = try? resolver.recipes(of: stages),
        let keys = try? resolve(stages)
      else { continue }
      for (stage, step) in zip(stages, keys) where step.artifact == nil {
        if let recipe = recipes[stage.name] { open[recipe] = stage.name }
      }
    }
    let names = Set(open.values)
    return RemainingTime(
      open: open,
      seconds: Dictionary(
        uniqueKeysWithValues: names.map { ($0, store.manifests(stage: $0).map(\.seconds)) }))
  }
}
