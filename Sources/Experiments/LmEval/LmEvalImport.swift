import Evaluation
import Foundation
import HDF5
import JSON

/// Makes a run of results that lm-eval computed, so that related work stands beside ours.
public struct LmEvalImport {
  /// Marks runs whose numbers were not computed here, in ``RunResult/parameters``.
  static let mark = "external"

  public let results: LmEvalResults
  public let experiment: String
  public let axes: [AxisLabel]

  /// - Parameters:
  ///   - results: Of lm-eval.
  ///   - experiment: Whose tables the numbers may stand in.
  ///   - axes: What the numbers are of; none names the model on the axis `method`. The first label
  ///     says that it is external.
  public init(_ results: LmEvalResults, experiment: String, axes: [AxisLabel] = []) {
    self.results = results
    self.experiment = experiment
    var axes = axes.isEmpty ? [AxisLabel(axis: "method", label: results.model)] : axes
    axes[0].label += " (external)"
    self.axes = axes
  }

  /// Writes the run's folder and its artifact, and indexes it; the same results again change nothing.
  ///
  /// - Parameter workspace: Gets the run.
  /// - Returns: The run's name.
  /// - Throws: ``LmEvalError``, ``StoreError``.
  public func write(to workspace: Workspace) throws -> String {
    try checkAxes(in: workspace)
    let samples = try samples()
    let digests = try digests()
    let parameters = self.parameters(digests)
    let run = "\(experiment)-\(Digest.shortName(of: CanonicalJSON.data(parameters)))"
    let folder = workspace.run(run)
    try DurableFile.makeFolder(folder.url)
    let record = try store(samples, digests, in: workspace)
    let result = RunResult(
      schemaVersion: 1, run: run, experiment: experiment, spec: digests["results"] ?? "",
      axes: axes, aliases: [], seeds: [:], parameters: parameters, stages: [record],
      outcome: outcome, provenance: provenance)
    try folder.write(RunPoint(external: result))
    try folder.write(result)
    if folder.journal.lastOutcome?.kind != .finished {
      try folder.journal.append(RunJournal.Event(.finished))
    }
    try Index(workspace).record([folder])
    return run
  }

  private func samples() throws(LmEvalError) -> [LmEvalSamples] {
    var found: [LmEvalSamples] = []
    for task in results.tasks {
      guard let url = results.samplesURL(of: task) else { continue }
      let samples = try LmEvalSamples(url, task: task)
      if let expected = results.taskHash(of: task), expected != samples.taskHash {
        throw .otherSamples(
          path: url.path, task: task, found: samples.taskHash, expected: expected)
      }
      try check(samples, from: url)
      found.append(samples)
    }
    return found
  }

  /// A number that is a mean over questions is that of its questions.
  private func check(_ samples: LmEvalSamples, from url: URL) throws(LmEvalError) {
    for metric in results.metrics()
    where metric.definition.scope == LmEvalResults.scope(of: samples.task) {
      let name = metric.definition.name
      guard results.isMean(name, of: samples.task), let value = metric.value,
        let mean = samples.mean(of: name)
      else { continue }
      // Both are sums of the same numbers; another order changes the last digits.
      guard abs(mean - value) <= 1e-6 * max(1, abs(value)) else {
        throw .otherValues(
          path: url.path, task: samples.task, metric: name, samples: mean, result: value)
      }
    }
  }

  /// In the tables of an experiment that was run here a label of another axis has no place.
  private func checkAxes(in workspace: Workspace) throws(LmEvalError) {
    guard let spec = workspace.lastSpec(of: experiment) else { return }
    let known = spec.axes.map(\.name)
    for label in axes where !known.contains(label.axis) {
      throw .unknownAxis(label.axis, experiment: experiment, known: known)
    }
  }

  private func digests() throws -> [String: String] {
    var digests = ["results": try Digest.of(file: results.url)]
    for task in results.tasks {
      if let url = results.samplesURL(of: task) {
        digests["samples.\(task)"] = try Digest.of(file: url)
      }
    }
    return digests
  }

  private func parameters(_ digests: [String: String]) -> JSONValue {
    let files = digests.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }
    return [
      Self.mark: [
        "program": "lm-eval", "version": JSONValue(results.version),
        "model": JSONValue(results.model), "files": .object(JSONObject(files)),
        "axes": .array(axes.map { ["axis": JSONValue($0.axis), "label": JSONValue($0.label)] }),
      ]
    ]
  }

  private func store(
    _ samples: [LmEvalSamples], _ digests: [String: String], in workspace: Workspace
  ) throws -> StageRecord {
    let stage = Stage(
      name: EvaluateStage.name, epoch: 0, parameters: [Self.mark: "lm-eval"], inputs: [:]
    ) { _ in }
    let files = digests.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }
    let key = Digest.of(CanonicalJSON.data(["lm-eval": .object(JSONObject(files))]))
    let keyed = KeyedStage(stage: stage, key: key, inputDigests: digests, inputs: [:])
    let store = ArtifactStore(
      root: workspace.artifacts, payloadDigests: ["h5": HDF5Content.digest])
    let silent: (String) -> Void = { _ in }
    let production = try store.produce(
      keyed, verifyingContent: false, notice: silent, build: { try build(samples, in: $0) })
    guard let artifact = production?.artifact else {
      throw LmEvalError.busy(path: results.url.path)
    }
    return StageRecord(
      name: stage.name, key: key, digest: artifact.manifest.digest, inputs: digests,
      cached: false, seconds: results.seconds, peakMemoryBytes: 0, forwardTokens: nil)
  }

  private func build(
    _ samples: [LmEvalSamples], in folder: URL
  ) throws -> ArtifactStore.Cost {
    let items = try HDF5Writer(folder.appending(path: StageFile.items))
    for task in samples { try task.write(to: items) }
    try items.finish()
    try PrettyJSON.data(try JSONValue(encoding: results.metrics()))
      .write(to: folder.appending(path: StageFile.metrics))
    return ArtifactStore.Cost(
      seconds: results.seconds, peakMemory: PeakMemory(bytes: 0, scope: .process),
      provenance: provenance)
  }

  private var outcome: PointOutcome {
    PointOutcome(
      metrics: results.metrics(), ledgers: [:], forced: false, counts: [:],
      remarks: [
        "External: \(results.model) was evaluated by lm-eval \(results.version), not by Assay."
      ],
      facts: [
        "model": JSONValue(results.model),
        Self.mark: JSONValue("lm-eval \(results.version)"),
      ])
  }

  private var provenance: Provenance {
    let date = results.document["date"]?.doubleValue ?? 0
    let time = Date(timeIntervalSince1970: date).formatted(.iso8601)
    var libraries = ["lm-eval": results.version]
    libraries["transformers"] = results.document["transformers_version"]?.stringValue
    return Provenance(
      program: nil, commit: results.document["git_hash"]?.stringValue ?? "unknown",
      host: "external", cpu: "external", threads: 0, libraries: libraries, started: time,
      finished: time)
  }
}

extension RunPoint {
  /// Of a run that no spec planned.
  fileprivate init(external result: RunResult) {
    schemaVersion = result.schemaVersion
    run = result.run
    experiment = result.experiment
    spec = result.spec
    axes = result.axes
    aliases = []
    seeds = [:]
    parameters = result.parameters
  }
}

extension RunResult {
  /// Whether another program computed the numbers.
  public var isExternal: Bool { parameters[LmEvalImport.mark] != nil }
}

extension Workspace {
  /// The runs of an experiment that were imported, sorted by name.
  ///
  /// - Throws: What listing the runs throws.
  public func externalResults(of experiment: String) throws -> [RunResult] {
    try allRuns().filter { (try? $0.point().experiment) == experiment }
      .compactMap { $0.result() }.filter(\.isExternal)
  }
}

extension ExperimentPlan {
  /// This plan with the runs that were imported for its experiment, done.
  ///
  /// - Parameters:
  ///   - experiment: Its name.
  ///   - workspace: Has the runs.
  /// - Returns: The planned runs, then the imported ones.
  /// - Throws: What listing the runs throws.
  public func withImportedRuns(of experiment: String, in workspace: Workspace) throws -> Self {
    var plan = self
    plan.runs += try workspace.externalResults(of: experiment).map { result in
      PlannedPoint(
        run: result.run, axes: result.axes, aliases: [], seeds: [:], state: .done, error: nil,
        stages: [])
    }
    return plan
  }
}
