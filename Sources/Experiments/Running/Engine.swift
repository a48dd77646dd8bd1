import Foundation

/// Runs, plans and reads experiments in one workspace.
///
/// The engine knows nothing of models: a ``Pipeline`` turns points into stages. Calls block; make
/// them from a thread of your own, not from the cooperative pool.
public struct Engine: Sendable {
  public let workspace: Workspace
  public let store: ArtifactStore
  let pipeline: any Pipeline
  let resolver: StageResolver
  let threads: Int
  let libraries: [String: String]

  /// `payloadDigests` is file extension such as `h5` → digest of a file's content; `libraries` is
  /// name → version, for the provenance of results.
  public init(
    workspace: Workspace, pipeline: any Pipeline,
    payloadDigests: [String: ArtifactStore.PayloadDigest] = [:],
    libraries: [String: String] = [:],
    threads: Int = ProcessInfo.processInfo.activeProcessorCount
  ) {
    self.workspace = workspace
    self.pipeline = pipeline
    self.store = ArtifactStore(root: workspace.artifacts, payloadDigests: payloadDigests)
    self.resolver = StageResolver(digests: FileDigests(cacheFile: workspace.digestCache))
    self.threads = threads
    self.libraries = libraries
  }

  /// Runs every point that is not complete, in the order of the grid, and keeps going when one
  /// fails. Points and stages claimed by other processes are left to them.
  ///
  /// - Throws: ``SpecError`` for a spec that cannot be used, ``UnusableInputs`` before the first point
  ///   if something it reads is not there, ``StoreError`` if the workspace cannot be written. A failing point does not throw: it is counted.
  public func run(
    _ spec: ExperimentSpec, options: RunOptions = RunOptions(), observer: @escaping RunObserver
  ) throws -> RunSummary {
    let runs = try spec.runs(with: pipeline).filter(options.only.admits)
    try checkInputs(of: spec, runs: runs)
    try Index(workspace).checkIfPresent()
    try workspace.record(spec)
    try store.removeStaleTemporaries()
    var execution = ExperimentExecution(
      engine: self, spec: spec, runs: runs, options: options, observer: observer)
    return try execution.run()
  }

  /// The runs of a spec with their results, in the order of the grid; nil where a run is not done.
  ///
  /// Results are those on disk; use ``plan(_:only:)`` to learn whether they are still current.
  public func results(of spec: ExperimentSpec) throws -> [(run: PlannedRun, result: RunResult?)] {
    try spec.runs(with: pipeline).map { run in
      let folder = workspace.run(run.id)
      let isFailed = folder.journal.lastOutcome?.kind == .failed
      return (run, isFailed ? nil : folder.result())
    }
  }

  /// Writes the index anew from the run folders; returns how many runs it holds.
  public func reindex() throws -> Int { try Index(workspace).rebuild() }

  func stages(of run: PlannedRun) throws -> [Stage] {
    try pipeline.stages(for: run.point.parameters, seeds: run.seeds)
  }
}
