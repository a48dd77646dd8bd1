import Evaluation
import Foundation
import HDF5
import JSON

/// Writes the tasks of a run as lm-eval does: results, and a file of samples for every task
/// (TRACKING §3c).
///
/// Hashes are made as there. Those of prompts and targets equal lm-eval's; those of documents, and of
/// the task with them, wherever lm-eval's document is the row as it is: not of HellaSwag, BoolQ and
/// LAMBADA, whose rows are processed there or have other fields.
public struct LmEvalExport {
  /// Written as lm-eval's version.
  static let stamp = "assay-export/1"

  private let result: RunResult
  private let tasks: [EvaluateStage.DefinedTask]
  private let record: StageRecord
  /// Of the artifact.
  private let folder: URL
  private let items: HDF5Reader

  /// Finds what the run measured, and the rows it read.
  ///
  /// - Parameters:
  ///   - result: Of a run with tasks that have definitions.
  ///   - folder: Of the spec, which paths of the run are relative to.
  ///   - workspace: Has the run's artifacts.
  /// - Throws: ``LmEvalError``, ``SpecError``, `TaskError`.
  public init(_ result: RunResult, folder: URL, in workspace: Workspace) throws {
    guard !result.isExternal else { throw LmEvalError.external(run: result.run) }
    let point = try PointParameters(json: result.parameters, folder: folder)
    self.result = result
    tasks = try point.evaluation.definedTasks.map { name, task in
      do { return try EvaluateStage.DefinedTask(name: name, task, of: point) } catch {
        throw LmEvalError.otherRows(
          run: result.run, task: name, path: point.url(task.definition).path)
      }
    }
    guard !tasks.isEmpty else { throw LmEvalError.noTasks(run: result.run) }
    guard let record = result.stages.first(where: { $0.name == EvaluateStage.name }) else {
      throw LmEvalError.noItems(run: result.run, reason: "it has no stage \(EvaluateStage.name)")
    }
    self.record = record
    let store = ArtifactStore(root: workspace.artifacts)
    guard case .intact(let artifact) = store.lookup(stage: record.name, key: record.key) else {
      throw LmEvalError.noItems(
        run: result.run, reason: "artifact \(record.key.prefix(12)) is gone or damaged")
    }
    self.folder = artifact.url
    items = try HDF5Reader(artifact.url.appending(path: StageFile.items))
  }

  /// Writes `MODEL/results_TIME-RUN.json` and `MODEL/samples_TASK_TIME-RUN.jsonl`.
  ///
  /// Tasks have lm-eval's names where their definitions say them; each group of items, such as a
  /// subject of MMLU, is a task of its own.
  /// - Parameter out: A folder, made if it is not there; other runs may be in it.
  /// - Returns: The files, results first.
  /// - Throws: ``LmEvalError`` for rows that have changed and files that are there already, and what
  ///   writing throws.
  public func write(to out: URL) throws -> [URL] {
    let model = result.outcome.facts["model"]?.stringValue ?? "model"
    let folder = out.appending(path: Self.sanitized(model))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // lm-eval takes what stands behind the last underscore for the time.
    let stamp = "\(result.provenance.finished)-\(result.run)".replacing(/[:_]/, with: "-")
    let url = folder.appending(path: "results_\(stamp).json")
    guard !FileManager.default.fileExists(atPath: url.path) else {
      throw LmEvalError.exists(path: url.path)
    }
    let found = try tasks.flatMap { try samples(of: $0) }
    var written: [URL] = []
    for samples in found {
      let url = folder.appending(path: "samples_\(Self.sanitized(samples.name))_\(stamp).jsonl")
      try Data(samples.lines.map { $0 + "\n" }.joined().utf8).write(to: url)
      written.append(url)
    }
    try Data(PythonJSON.text(results(found, model: model), indent: 2).utf8).write(to: url)
    return [url] + written
  }

  /// As lm-eval's `sanitize_model_name`.
  private static func sanitized(_ name: String) -> String {
    name.replacing(/["<>:\/|\\?*\[\]]+/, with: "__")
  }
}

// MARK: - Samples

/// The samples of a task, or of one group of its items, and what results say of them.
private struct TaskSamples {
  /// lm-eval's.
  let name: String
  let task: EvaluateStage.DefinedTask
  /// The group that these are of; nil where items have none.
  let group: String?
  /// One a question and filter.
  let lines: [String]
  let metrics: [LmEvalMetric]
  /// Of each metric, one a question.
  let values: [String: [Double]]
  let questions: Int
  let rows: Int
  /// SHA-256 over all hashes.
  let hash: String
}

extension LmEvalExport {
  /// Of a task, group by group.
  private func samples(of task: EvaluateStage.DefinedTask) throws -> [TaskSamples] {
    let place = task.definition.rowsURL(in: task.rows)
    let otherRows = LmEvalError.otherRows(run: result.run, task: task.name, path: place.path)
    guard (try? Digest.of(file: place)) == record.inputs["rows.\(task.name)"] else {
      throw otherRows
    }
    let (rows, all) = (try TaskRow.load(place), try task.definition.items(in: task.rows))
    let questions = try task.items()
    let answers = try answers(to: questions, of: task)
    let metrics = LmEvalMetric.all(of: task)
    var values: [String: [Double]] = [:]
    for metric in metrics {
      values[metric.name] = try items.read("tasks/\(task.name)/\(metric.name)", as: Double.self)
      guard values[metric.name]?.count == questions.count else { throw otherRows }
    }
    return questions.map(\.group).distinct.map { group in
      let asked = questions.indices.filter { questions[$0].group == group }
      let members = all.indices.filter { all[$0].group == group }
      let places = Dictionary(
        members.enumerated().map { (all[$0.element].id, $0.offset) },
        uniquingKeysWith: { first, _ in first })
      let samples = asked.map { index in
        let place = places[questions[index].id] ?? 0
        return Sample(
          id: place, row: rows[members[place]].value, item: questions[index], task: task,
          answers: answers[index])
      }
      return TaskSamples(
        name: name(of: task) + (group.map { "_" + $0.replacing(" ", with: "_") } ?? ""),
        task: task, group: group, samples, metrics,
        values: values.mapValues { values in asked.map { values[$0] } }, rows: members.count)
    }
  }

  /// lm-eval's name of the task, unless two of the run's would have it.
  private func name(of task: EvaluateStage.DefinedTask) -> String {
    guard let name = task.definition.lmEvalTask?.name,
      tasks.count(where: { $0.definition.lmEvalTask?.name == name }) == 1
    else { return task.name }
    return name
  }

  private func answers(
    to questions: [TaskItem], of task: EvaluateStage.DefinedTask
  ) throws -> [LmEvalAnswers] {
    let found =
      task.isGenerated
      ? try LmEvalAnswers.texts(
        to: questions, in: folder.appending(path: StageFile.generations(of: task.name)))
      : try LmEvalAnswers.logLikelihoods(to: questions, of: task.name, in: items)
    guard let found else {
      throw LmEvalError.noItems(run: result.run, reason: "task \(task.name) has other questions")
    }
    return found
  }
}

/// A line of a file of samples.
private struct Sample {
  let id: Int
  let row: JSONValue
  let item: TaskItem
  let task: EvaluateStage.DefinedTask
  let answers: LmEvalAnswers

  private var target: String { item.target ?? item.answer.map { String($0) } ?? "" }

  var hashes: [(String, String)] {
    [
      ("doc_hash", Digest.of(Data(PythonJSON.text(row, indent: 2).utf8))),
      ("prompt_hash", Digest.of(Data((item.requests.first?.context ?? "").utf8))),
      ("target_hash", Digest.of(Data(target.utf8))),
    ]
  }

  private var arguments: JSONValue {
    let generation = task.lmEvalGeneration
    return .object(
      JSONObject(
        item.requests.enumerated().map { index, request in
          let second = generation ?? JSONValue(request.continuation)
          return (
            "gen_args_\(index)",
            ["arg_0": JSONValue(request.context), "arg_1": second] as JSONValue
          )
        }))
  }

  /// The line; metrics are of one filter, at least one, values as many.
  func json(_ metrics: [LmEvalMetric], values: [Double]) -> JSONValue {
    var object = JSONObject([
      ("doc_id", JSONValue(id)), ("doc", row), ("target", JSONValue(target)),
      ("arguments", arguments), ("resps", answers.responses),
      ("filtered_resps", answers.filtered(by: metrics[0], of: item)),
      ("filter", JSONValue(metrics[0].filter)),
      ("metrics", .array(metrics.map { JSONValue($0.base) })),
    ])
    for (key, hash) in hashes { object[key] = JSONValue(hash) }
    for (metric, value) in zip(metrics, values) { object[metric.base] = JSONValue(value) }
    return .object(object)
  }
}

extension EvaluateStage.DefinedTask {
  /// lm-eval's, where the definition says it.
  fileprivate var lmEvalVersion: JSONValue {
    definition.lmEvalTask.map { JSONValue($0.version) } ?? JSONValue(definition.version)
  }

  /// lm-eval's `generation_kwargs`; nil of a task that is scored by log-likelihoods.
  fileprivate var lmEvalGeneration: JSONValue? {
    guard let rule = definition.generation else { return nil }
    return [
      "until": .array(rule.stops.map { JSONValue($0) }),
      "max_gen_toks": JSONValue(sampling.maximumTokens ?? rule.maximumTokens),
      "do_sample": .bool(sampling.temperature > 0),
      "temperature": JSONValue(sampling.temperature),
    ]
  }
}

extension Array where Element: Equatable {
  /// Each once, in the order of their first places.
  fileprivate var distinct: [Element] {
    reduce(into: []) { known, element in if !known.contains(element) { known.append(element) } }
  }
}

extension TaskSamples {
  /// Questions come once for every filter, all of them for one after the other.
  init(
    name: String, task: EvaluateStage.DefinedTask, group: String?, _ samples: [Sample],
    _ metrics: [LmEvalMetric], values: [String: [Double]], rows: Int
  ) {
    var (lines, hashes): ([String], String) = ([], "")
    for filter in metrics.map(\.filter).distinct {
      let mine = metrics.filter { $0.filter == filter }
      for (index, sample) in samples.enumerated() {
        lines.append(
          PythonJSON.text(sample.json(mine, values: mine.map { values[$0.name]?[index] ?? .nan })))
        hashes += sample.hashes.map(\.1).joined()
      }
    }
    self.init(
      name: name, task: task, group: group, lines: lines, metrics: metrics, values: values,
      questions: samples.count, rows: rows, hash: Digest.of(Data(hashes.utf8)))
  }

  /// Directions by lm-eval's names.
  var directions: JSONValue {
    let directions = metrics.map { ($0.base, $0.higherIsBetter) }
    return .object(
      JSONObject(
        Dictionary(directions, uniquingKeysWith: { first, _ in first })
          .sorted { $0.key < $1.key }.map { ($0.key, .bool($0.value)) }))
  }
}

// MARK: - Results

extension LmEvalExport {
  private func results(_ found: [TaskSamples], model: String) -> JSONValue {
    func byTask(_ value: (TaskSamples) -> JSONValue) -> JSONValue {
      .object(JSONObject(found.map { ($0.name, value($0)) }))
    }
    let compute = result.outcome.facts["compute"] ?? .null
    let date = try? Date(result.provenance.finished, strategy: .iso8601)
    let wholes = groups(found)
    let results = wholes.map { ($0.name, $0.numbers) } + found.map { ($0.name, numbers($0)) }
    return [
      "results": .object(JSONObject(results)),
      "groups": .object(JSONObject(wholes.map { ($0.name, $0.numbers) })),
      "group_subtasks": .object(
        JSONObject(wholes.map { ($0.name, .array($0.parts.map { JSONValue($0) })) })),
      "configs": byTask(configuration),
      "versions": byTask { $0.task.lmEvalVersion },
      "n-shot": byTask { JSONValue($0.task.definition.shots) },
      "higher_is_better": byTask(\.directions),
      "n-samples": byTask {
        ["original": JSONValue($0.rows), "effective": JSONValue($0.questions)]
      },
      "config": [
        "model": "assay", "model_args": JSONValue("pretrained=\(model)"), "model_dtype": compute,
        "run": JSONValue(result.run),
      ],
      "date": JSONValue(date?.timeIntervalSince1970 ?? 0),
      "lm_eval_version": JSONValue(Self.stamp),
      "task_hashes": byTask { JSONValue($0.hash) }, "model_source": "assay",
      "model_name": JSONValue(model), "model_name_sanitized": JSONValue(Self.sanitized(model)),
      "system_instruction": nil, "system_instruction_sha": nil, "fewshot_as_multiturn": false,
      "chat_template": nil, "chat_template_sha": nil,
      "total_evaluation_time_seconds": JSONValue("\(record.seconds)"),
    ]
  }

  private func numbers(_ samples: TaskSamples) -> JSONValue {
    let name = JSONValue(samples.name)
    var object = JSONObject([
      ("name", name), ("alias", name), ("sample_len", JSONValue(samples.questions)),
    ])
    for metric in samples.metrics {
      let values = samples.values[metric.name] ?? []
      let mean = values.reduce(0, +) / Double(max(values.count, 1))
      let value =
        samples.group == nil
        ? measured(metric, scope: samples.task.name)
        : metric.isPerplexity ? exp(-mean) : mean
      object[metric.key] = value.map { JSONValue($0) } ?? .number(.nan)
      object[metric.errorKey] = Self.standardError(values, of: metric)
    }
    return .object(object)
  }

  private func measured(_ metric: LmEvalMetric, scope: String) -> Double? {
    result.outcome.metrics.first {
      $0.definition.name == metric.name && $0.definition.scope == scope
    }?.value
  }

  /// The tasks whose items have groups: over all items alike, as lm-eval weighs them, and as
  /// `acc_macro` each group alike, which lm-eval does not have.
  private func groups(
    _ found: [TaskSamples]
  ) -> [(name: String, parts: [String], numbers: JSONValue)] {
    tasks.compactMap { task in
      let parts = found.filter { $0.task.name == task.name && $0.group != nil }
      guard let first = parts.first else { return nil }
      let name = JSONValue(self.name(of: task))
      var object = JSONObject([
        ("name", name), ("alias", name),
        ("sample_len", JSONValue(parts.reduce(0) { $0 + $1.questions })),
      ])
      for metric in first.metrics {
        object[metric.key] = measured(metric, scope: task.name).map { JSONValue($0) }
        object[metric.errorKey] = Self.standardError(
          parts.flatMap { $0.values[metric.name] ?? [] }, of: metric)
        object["\(metric.base)_macro,\(metric.filter)"] = measured(
          metric, scope: EvaluateStage.macroScope(of: task.name)
        ).map { JSONValue($0) }
      }
      return (self.name(of: task), parts.map(\.name), .object(object))
    }
  }

  /// Of the mean over items, as lm-eval computes it; what is no mean has none there either.
  private static func standardError(_ values: [Double], of metric: LmEvalMetric) -> JSONValue {
    guard !metric.isPerplexity, values.count > 1 else { return "N/A" }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return JSONValue((squares / Double(values.count - 1) / Double(values.count)).squareRoot())
  }

  private func configuration(_ samples: TaskSamples) -> JSONValue {
    let definition = samples.task.definition
    let metrics = samples.metrics.map { metric -> JSONValue in
      [
        "metric": JSONValue(metric.base),
        "aggregation": JSONValue(metric.isPerplexity ? "perplexity" : "mean"),
        "higher_is_better": .bool(metric.higherIsBetter),
      ]
    }
    var object = JSONObject([
      ("task", JSONValue(samples.name)), ("num_fewshot", JSONValue(definition.shots)),
      ("metric_list", .array(metrics)), ("output_type", JSONValue(definition.kind.lmEvalName)),
      ("metadata", ["version": samples.task.lmEvalVersion] as JSONValue),
    ])
    if let generation = samples.task.lmEvalGeneration {
      object["generation_kwargs"] = generation
      object["repeats"] = JSONValue(samples.task.sampling.samples)
    }
    return .object(object)
  }
}

extension TaskDefinition.Kind {
  /// lm-eval's `output_type`.
  fileprivate var lmEvalName: String {
    switch self {
    case .multipleChoice, .partialContext: "multiple_choice"
    case .continuation: "loglikelihood"
    case .generation: "generate_until"
    }
  }
}
