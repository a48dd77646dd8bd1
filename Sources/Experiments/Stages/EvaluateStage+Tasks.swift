public import Checkpoints
public import Evaluation
public import Foundation
import HDF5
public import JSON
public import MoEModels
public import Tensors

extension EvaluateStage {
  /// A task whose definition is data, with its rows.
  public struct DefinedTask: Sendable {
    public var name: String
    public var definition: TaskDefinition
    /// Folder of rows, or their file.
    public var rows: URL
    /// Items from the start, of each group where there are groups; nil: all.
    public var limit: Int?
    /// Of tasks that the model writes answers to.
    public var sampling = AnswerSampling()
    /// Every k of pass@k besides 1, none above the samples.
    public var attempts: [Int] = []
    /// Whether every group, such as a subject, has metrics of its own.
    var scoresGroups = false

    public init(name: String, definition: TaskDefinition, rows: URL, limit: Int? = nil) {
      self.name = name
      self.definition = definition
      self.rows = rows
      self.limit = limit
    }

    init(name: String, _ task: DefinedTaskParameters, of point: PointParameters) throws {
      var definition = try TaskDefinition(point.url(task.definition))
      if let shots = task.fewShot { definition = try definition.withShots(shots) }
      self.init(
        name: name, definition: definition,
        rows: task.rows.map(point.url) ?? definition.usualRows, limit: task.limit)
      sampling = AnswerSampling(
        samples: task.samples ?? 1, temperature: task.temperature ?? 0, topP: task.topP,
        maximumTokens: task.maximumTokens)
      attempts = (task.passAt ?? []).filter { $0 > 1 && $0 <= sampling.samples }
      scoresGroups = task.groups == true && definition.hasGroups
    }

    var isGenerated: Bool { definition.kind == .generation }

    /// The items that are asked.
    ///
    /// - Returns: At least one.
    /// - Throws: ``TaskError``.
    public func items() throws -> [TaskItem] {
      try definition.items(in: rows, limit: limit)
    }

    /// What the stage reads of it.
    var inputs: [String: StageSource] {
      var inputs = ["rows.\(name)": StageSource.file(definition.rowsURL(in: rows))]
      inputs["examples.\(name)"] = definition.examplesURL(in: rows).map { .file($0) }
      return inputs
    }

    /// What decides its numbers besides the inputs, as it enters the stage's key.
    var parameters: JSONValue {
      var object = parameters(rows: "input", examples: "input")
      if isGenerated, sampling.temperature > 0 {
        object["seed"] = JSONValue(Double(sampling.seed))
      }
      if scoresGroups { object["groups"] = true }
      return .object(object)
    }

    private func parameters(rows: String, examples: String?) -> JSONObject {
      var object = JSONObject([
        ("task", definition.identity(rows: rows, examples: examples))
      ])
      object["limit"] = limit.map { JSONValue($0) }
      // Before, the first rows of all groups together were taken.
      if limit != nil, definition.hasGroups { object["limitOf"] = "group" }
      if isGenerated {
        object["sampling"] = sampling.json
        if definition.runsPrograms { object["sandbox"] = SandboxLimits().json }
      }
      return object
    }

    /// Everything that fixes its numbers, but for the model.
    ///
    /// - Parameters:
    ///   - tokenizer: SHA-256 of tokenizer.json.
    ///   - compute: Of the forward pass.
    /// - Returns: What ``MetricDefinition/protocolParameters`` hold.
    /// - Throws: What reading the rows throws.
    public func metricParameters(tokenizer: String, compute: ComputeMode) throws -> JSONValue {
      let examples = try definition.examplesURL(in: rows).map { try Digest.of(file: $0) }
      var object = parameters(
        rows: try Digest.of(file: definition.rowsURL(in: rows)), examples: examples)
      object["compute"] = JSONValue(compute.rawValue)
      object["tokenizer"] = JSONValue(tokenizer)
      return .object(object)
    }

    /// Everything that fixes what the solutions of the rows score, where no model is asked.
    ///
    /// - Returns: The definition, the digest of its rows and the limit.
    /// - Throws: What reading the rows throws.
    public func solutionParameters() throws -> JSONValue {
      .object(
        parameters(rows: try Digest.of(file: definition.rowsURL(in: rows)), examples: nil))
    }

    /// Lets a model write answers; programs among them need a sandbox, before anything is written.
    ///
    /// - Parameters:
    ///   - model: Full precision or quantized.
    ///   - tokenizer: Of the model.
    ///   - items: Those that were read before; nil reads them.
    ///   - precision: Of the forward pass.
    ///   - progress: Fraction done, 0…1.
    /// - Returns: Every item with what was written.
    /// - Throws: ``TaskError``, ``GenerationError``, ``SandboxError``, and what the model throws.
    public func generate(
      _ model: ModelFolder, _ tokenizer: Tokenizer, items: [TaskItem]? = nil,
      precision: Precision, progress: (Double) -> Void
    ) throws -> GenerationScores {
      try GenerationScores(
        of: model.weights, task: definition, items: try items ?? self.items(),
        tokenizer: tokenizer, precision: precision, sampling: sampling,
        sandbox: definition.runsPrograms ? try Sandbox() : nil, progress: progress)
    }

    /// Asks a model.
    ///
    /// - Parameters:
    ///   - model: Full precision or quantized.
    ///   - tokenizer: Of the model.
    ///   - items: Those that were read before; nil reads them.
    ///   - precision: Of the forward pass.
    ///   - progress: Fraction done, 0…1.
    /// - Returns: Every item with its answers.
    /// - Throws: ``TaskError``, and what the model throws.
    public func evaluate(
      _ model: ModelFolder, _ tokenizer: Tokenizer, items: [TaskItem]? = nil,
      precision: Precision, progress: (Double) -> Void
    ) throws -> TaskScores {
      try TaskScores(
        of: model.weights, task: definition, items: try items ?? self.items(),
        tokenizer: tokenizer, precision: precision, progress: progress)
    }
  }

  /// Scores a task, by log-likelihoods or by what the model writes, and stores every item.
  ///
  /// - Returns: The metrics, and the tokens that went through the model.
  func write(
    _ task: DefinedTask, _ folder: ModelFolder, _ tokenizer: Tokenizer, digest: String,
    items: HDF5Writer, to directory: URL, progress: (Double) -> Void
  ) throws -> (metrics: [Metric], forwardTokens: Int) {
    guard task.isGenerated else {
      let scores = try task.evaluate(folder, tokenizer, precision: precision, progress: progress)
      try scores.write(to: items, of: task)
      return (
        try scores.metrics(of: task, tokenizer: digest, compute: compute),
        scores.forwardTokens
      )
    }
    let scores = try task.generate(folder, tokenizer, precision: precision, progress: progress)
    try scores.write(to: items, of: task)
    let lines = scores.lines(task: task.name).map { $0 + "\n" }.joined()
    try Data(lines.utf8).write(
      to: directory.appending(path: StageFile.generations(of: task.name)))
    let more = try scores.attemptMetrics(of: task, tokenizer: digest, compute: compute)
    return (
      try scores.metrics(of: task, tokenizer: digest, compute: compute) + more,
      scores.forwardTokens
    )
  }

  /// This stage with the tasks of a point whose definitions are data.
  ///
  /// - Parameters:
  ///   - point: Names the tasks.
  ///   - seed: Of drawn answers.
  /// - Returns: The stage, complete.
  /// - Throws: `TaskError` for a definition that cannot be used.
  func withDefinedTasks(of point: PointParameters, seed: UInt64 = 0) throws -> EvaluateStage {
    var stage = self
    stage.definedTasks = try point.evaluation.definedTasks.map {
      var task = try DefinedTask(name: $0.name, $0.task, of: point)
      task.sampling.seed = seed
      return task
    }
    return stage
  }

  /// The scope of the mean over a task's groups, each group alike.
  static func macroScope(of task: String) -> String { groupScope(meanOfGroups, of: task) }

  static let meanOfGroups = "mean of groups"

  /// The scope of one group of a task's items.
  static func groupScope(_ group: String, of task: String) -> String { "\(task), \(group)" }

  /// Adds the names of what a point's tasks will give, as far as their definitions can be read.
  static func addResultNames(
    of point: PointParameters, to metrics: inout [String: Set<String>]
  ) {
    for (name, task) in point.evaluation.definedTasks {
      guard let definition = try? TaskDefinition(point.url(task.definition)) else { continue }
      let rows = task.rows.map(point.url) ?? definition.usualRows
      let groups = task.groups == true ? try? definition.groupNames(in: rows) : nil
      for metric in definition.metrics {
        metrics[metric.rawValue, default: []].formUnion(
          (groups ?? []).map { groupScope($0, of: name) })
        // What is imported of the same task may have a column beside it.
        let theirs = definition.lmEvalTask?.name ?? name
        metrics[metric.rawValue, default: []].formUnion(
          [name, LmEvalResults.scope(of: name), LmEvalResults.scope(of: theirs)])
        if definition.hasGroups { metrics[metric.rawValue]?.insert(macroScope(of: name)) }
      }
      for k in task.passAt ?? [] where definition.runsPrograms {
        metrics["pass@\(k)", default: []].insert(name)
      }
    }
  }
}

extension ItemScores {
  /// Every metric of the task: over all items alike, and as the mean of groups where it has groups.
  func metrics(
    of task: EvaluateStage.DefinedTask, tokenizer: String, compute: ComputeMode
  ) throws -> [Metric] {
    let parameters = try task.metricParameters(tokenizer: tokenizer, compute: compute)
    return task.definition.metrics.flatMap { metric in
      func result(_ scope: String, _ value: Double, _ count: Int) -> Metric {
        Metric(
          definition: MetricDefinition(
            name: metric.rawValue, scope: scope, unit: metric.unit,
            higherIsBetter: metric.higherIsBetter, protocolParameters: parameters),
          value: value, items: count)
      }
      var results = [result(task.name, value(metric), items.count)]
      if let mean = macroAverage(metric) {
        results.append(result(EvaluateStage.macroScope(of: task.name), mean, items.count))
      }
      guard task.scoresGroups else { return results }
      return results
        + groups(metric).map {
          result(EvaluateStage.groupScope($0.name, of: task.name), $0.value, $0.items)
        }
    }
  }

  /// Who the items are, and their values in each metric.
  fileprivate func stored(of task: EvaluateStage.DefinedTask) -> ScopeItems {
    let hasGroups = items.contains { $0.group != nil }
    return ScopeItems(
      ids: items.map(\.id), hashes: items.map(\.hash.value),
      clusters: hasGroups ? items.map { $0.group ?? "" } : nil,
      values: Dictionary(
        task.definition.metrics.map { ($0.rawValue, values($0)) },
        uniquingKeysWith: { first, _ in first }))
  }
}

extension GenerationScores {
  /// pass@k of every other k that is asked for.
  func attemptMetrics(
    of task: EvaluateStage.DefinedTask, tokenizer: String, compute: ComputeMode
  ) throws -> [Metric] {
    guard task.definition.runsPrograms, !task.attempts.isEmpty else { return [] }
    let parameters = try task.metricParameters(tokenizer: tokenizer, compute: compute)
    return task.attempts.map { k in
      let chances = chances(passingOf: k)
      return Metric(
        definition: MetricDefinition(
          name: "pass@\(k)", scope: task.name, unit: TaskMetric.passAt1.unit,
          higherIsBetter: true, protocolParameters: parameters),
        value: chances.reduce(0, +) / Double(chances.count), items: chances.count)
    }
  }

  /// Stores every item, and its value in each metric.
  func write(to file: HDF5Writer, of task: EvaluateStage.DefinedTask) throws {
    var stored = stored(of: task)
    for k in task.attempts where task.definition.runsPrograms {
      stored.values["pass@\(k)"] = chances(passingOf: k)
    }
    try file.write(stored, to: "tasks/\(task.name)")
  }
}

extension TaskScores {
  /// Stores every item, the answers to its requests, and its value in each metric.
  func write(to file: HDF5Writer, of task: EvaluateStage.DefinedTask) throws {
    let place = "tasks/\(task.name)"
    try file.write(stored(of: task), to: place)
    try file.write(answers.map { Int64($0.logLikelihoods.count) }, to: "\(place)/requests")
    try file.write(answers.flatMap(\.logLikelihoods), to: "\(place)/log_likelihood")
    try file.write(
      answers.flatMap { $0.isGreedy.map { $0 ? 1 : 0 as UInt8 } }, to: "\(place)/is_greedy")
  }
}
