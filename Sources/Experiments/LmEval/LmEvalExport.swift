import Evaluation
import Foundation
import HDF5
import JSON

/// Writes the tasks of a run as lm-eval does: results, and a file of samples for every task
/// (TRACKING §3c).
///
/// Hashes of documents, prompts and targets are made as there, so that the hash of a task equals
/// lm-eval's wherever lm-eval asks the row as it is.
public struct LmEvalExport {
  /// Written as lm-eval's version.
  static let stamp = "assay-export/1"

  private let result: RunResult
  private let tasks: [EvaluateStage.DefinedTask]
  private let record: StageRecord
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
    items = try HDF5Reader(artifact.url.appending(path: StageFile.items))
  }

  /// Writes `MODEL/results_TIME.json` and `MODEL/samples_TASK_TIME.jsonl`.
  ///
  /// - Parameter out: A folder, made if it is not there.
  /// - Returns: The files, results first.
  /// - Throws: ``LmEvalError`` for rows that have changed, and what writing throws.
  public func write(to out: URL) throws -> [URL] {
    let model = result.outcome.facts["model"]?.stringValue ?? "model"
    let folder = out.appending(path: Self.sanitized(model))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let time = result.provenance.finished.replacing(":", with: "-")
    var written: [URL] = []
    var found: [TaskSamples] = []
    for task in tasks {
      let samples = try samples(of: task)
      let url = folder.appending(path: "samples_\(Self.sanitized(task.name))_\(time).jsonl")
      try Data(samples.lines.map { $0 + "\n" }.joined().utf8).write(to: url)
      written.append(url)
      found.append(samples)
    }
    let url = folder.appending(path: "results_\(time).json")
    try Data(PythonJSON.text(results(found, model: model), indent: 2).utf8).write(to: url)
    return [url] + written
  }

  /// As lm-eval's `sanitize_model_name`.
  private static func sanitized(_ name: String) -> String {
    name.replacing(/["<>:\/|\\?*\[\]]+/, with: "__")
  }
}

// MARK: - Samples

/// The samples of a task, and what results say of them.
private struct TaskSamples {
  let task: EvaluateStage.DefinedTask
  let lines: [String]
  let values: [TaskMetric: [Double]]
  let rows: Int
  /// SHA-256 over all hashes.
  let hash: String
}

extension LmEvalExport {
  private func samples(of task: EvaluateStage.DefinedTask) throws -> TaskSamples {
    let place = task.definition.rowsURL(in: task.rows)
    guard (try? Digest.of(file: place)) == record.inputs["rows.\(task.name)"] else {
      throw LmEvalError.otherRows(run: result.run, task: task.name, path: place.path)
    }
    let rows = try TaskRow.load(place)
    let questions = try task.items()
    let answers = try answers(to: questions, of: task.name)
    var values: [TaskMetric: [Double]] = [:]
    for metric in task.definition.metrics {
      values[metric] = try items.read("tasks/\(task.name)/\(metric.rawValue)", as: Double.self)
      guard values[metric]?.count == questions.count else {
        throw LmEvalError.otherRows(run: result.run, task: task.name, path: place.path)
      }
    }
    var (lines, hashes): ([String], String) = ([], "")
    for (index, item) in questions.enumerated() {
      let mine = task.definition.metrics.map { ($0, values[$0]?[index] ?? .nan) }
      let sample = Sample(id: index, row: rows[index].value, item: item, answers: answers[index])
      lines.append(PythonJSON.text(sample.json(metrics: mine)))
      hashes += sample.hashes.map(\.1).joined()
    }
    return TaskSamples(
      task: task, lines: lines, values: values, rows: rows.count,
      hash: Digest.of(Data(hashes.utf8)))
  }

  /// log p and whether it is greedy, of every request of every question.
  private func answers(to questions: [TaskItem], of task: String) throws -> [[(Double, Bool)]] {
    let counts = try items.read("tasks/\(task)/requests", as: Int64.self)
    let values = try items.read("tasks/\(task)/log_likelihood", as: Double.self)
    let greedy = try items.read("tasks/\(task)/is_greedy", as: UInt8.self)
    let expected = questions.map { Int64($0.requests.count) }
    guard counts == expected, values.count == greedy.count,
      values.count == Int(counts.reduce(0, +))
    else { throw LmEvalError.noItems(run: result.run, reason: "task \(task) has other questions") }
    var next = 0
    return counts.map { count in
      defer { next += Int(count) }
      return (next..<next + Int(count)).map { (values[$0], greedy[$0] == 1) }
    }
  }

  /// A line of a file of samples.
  private struct Sample {
    let id: Int
    let row: JSONValue
    let item: TaskItem
    let answers: [(Double, Bool)]

    private var target: String { item.target ?? item.answer.map { String($0) } ?? "" }

    var hashes: [(String, String)] {
      [
        ("doc_hash", Digest.of(Data(PythonJSON.text(row, indent: 2).utf8))),
        ("prompt_hash", Digest.of(Data((item.requests.first?.context ?? "").utf8))),
        ("target_hash", Digest.of(Data(target.utf8))),
      ]
    }

    func json(metrics: [(TaskMetric, Double)]) -> JSONValue {
      let arguments = item.requests.enumerated().map { index, request in
        (
          "gen_args_\(index)",
          ["arg_0": JSONValue(request.context), "arg_1": JSONValue(request.continuation)]
            as JSONValue
        )
      }
      // lm-eval writes answers as Python prints them.
      let answers = answers.map { value, isGreedy in
        [JSONValue("\(value)"), JSONValue(isGreedy ? "True" : "False")] as JSONValue
      }
      var object = JSONObject([
        ("doc_id", JSONValue(id)), ("doc", row), ("target", JSONValue(target)),
        ("arguments", .object(JSONObject(arguments))),
        ("resps", .array(answers.map { [[$0]] })), ("filtered_resps", .array(answers)),
        ("filter", "none"), ("metrics", .array(metrics.map { JSONValue($0.0.rawValue) })),
      ])
      for (key, hash) in hashes { object[key] = JSONValue(hash) }
      for (metric, value) in metrics { object[metric.rawValue] = JSONValue(value) }
      return .object(object)
    }
  }
}

// MARK: - Results

extension LmEvalExport {
  private func results(_ found: [TaskSamples], model: String) -> JSONValue {
    func byTask(_ value: (TaskSamples) -> JSONValue) -> JSONValue {
      .object(JSONObject(found.map { ($0.task.name, value($0)) }))
    }
    let compute = result.outcome.facts["compute"] ?? .null
    let date = try? Date(result.provenance.finished, strategy: .iso8601)
    return [
      "results": byTask(numbers), "group_subtasks": [:], "configs": byTask(configuration),
      "versions": byTask { JSONValue($0.task.definition.version) },
      "n-shot": byTask { JSONValue($0.task.definition.shots) },
      "higher_is_better": byTask { samples in
        .object(
          JSONObject(
            samples.task.definition.metrics.map { ($0.rawValue, .bool($0.higherIsBetter)) }))
      },
      "n-samples": byTask {
        ["original": JSONValue($0.rows), "effective": JSONValue($0.lines.count)]
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
    let name = JSONValue(samples.task.name)
    var object = JSONObject([
      ("name", name), ("alias", name), ("sample_len", JSONValue(samples.lines.count)),
    ])
    for metric in samples.task.definition.metrics {
      let measured = result.outcome.metrics.first {
        $0.definition.name == metric.rawValue && $0.definition.scope == samples.task.name
      }
      object["\(metric.rawValue),none"] = measured?.value.map { JSONValue($0) } ?? .number(.nan)
      object["\(metric.rawValue)_stderr,none"] = Self.standardError(
        samples.values[metric] ?? [], of: metric)
    }
    return .object(object)
  }

  /// Of the mean over items, as lm-eval computes it; what is no mean has none there either.
  private static func standardError(_ values: [Double], of metric: TaskMetric) -> JSONValue {
    guard metric != .perplexity, values.count > 1 else { return "N/A" }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return JSONValue((squares / Double(values.count - 1) / Double(values.count)).squareRoot())
  }

  private func configuration(_ samples: TaskSamples) -> JSONValue {
    let definition = samples.task.definition
    let metrics = definition.metrics.map { metric -> JSONValue in
      [
        "metric": JSONValue(metric.rawValue),
        "aggregation": JSONValue(metric == .perplexity ? "perplexity" : "mean"),
        "higher_is_better": .bool(metric.higherIsBetter),
      ]
    }
    return [
      "task": JSONValue(samples.task.name), "num_fewshot": JSONValue(definition.shots),
      "metric_list": .array(metrics),
      "output_type": definition.kind == .continuation ? "loglikelihood" : "multiple_choice",
      "metadata": ["version": JSONValue(definition.version)],
    ]
  }
}
