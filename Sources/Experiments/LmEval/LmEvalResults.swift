import Foundation
import JSON

/// A file `results_TIME.json` of lm-eval, and the samples beside it (TRACKING §3c).
public struct LmEvalResults: Sendable {
  public let url: URL
  let document: JSONValue
  /// Behind `results_`, as in the names of the samples' files.
  private let stamp: String

  /// Every file of results in a folder and below, sorted by path; or the one file.
  ///
  /// - Parameter url: lm-eval's `--output_path`, a folder in it, or a file.
  /// - Returns: At least one.
  /// - Throws: ``LmEvalError``.
  public static func all(in url: URL) throws(LmEvalError) -> [LmEvalResults] {
    if url.pathExtension == "json" { return [try LmEvalResults(url)] }
    let paths = (try? FileManager.default.subpathsOfDirectory(atPath: url.path)) ?? []
    let files = paths.filter { path in
      let name = URL(filePath: path).lastPathComponent
      return name.hasPrefix("results_") && name.hasSuffix(".json")
    }
    guard !files.isEmpty else { throw .noResults(path: url.path) }
    var found: [LmEvalResults] = []
    for file in files.sorted() { found.append(try LmEvalResults(url.appending(path: file))) }
    return found
  }

  /// Reads a file.
  ///
  /// - Throws: ``LmEvalError/unreadable(path:reason:)``.
  public init(_ url: URL) throws(LmEvalError) {
    do {
      document = try JSONParser.parse(
        try FileContents.read(url), admitting: [.nonFiniteNumbers, .roundedIntegers])
    } catch {
      throw .unreadable(path: url.path, reason: ErrorText.line(error))
    }
    guard let results = document["results"]?.objectValue else {
      throw .unreadable(path: url.path, reason: "the key \"results\" is missing")
    }
    guard !results.members.isEmpty else {
      throw .unreadable(path: url.path, reason: "\"results\" names no task")
    }
    self.url = url
    let name = url.deletingPathExtension().lastPathComponent
    stamp = name.hasPrefix("results_") ? String(name.dropFirst("results_".count)) : name
  }

  /// Of the evaluated model: its name, else lm-eval's arguments.
  public var model: String {
    if let name = document["model_name"]?.stringValue, !name.isEmpty { return name }
    let arguments = document["config"]?["model_args"]
    return arguments.map { $0.stringValue ?? CanonicalJSON.text($0) } ?? "unknown"
  }

  public var version: String { document["lm_eval_version"]?.stringValue ?? "unknown" }

  /// Tasks and groups with results.
  public var tasks: [String] { document["results"]?.objectValue?.keys ?? [] }

  /// Of the evaluation; nil where lm-eval kept no samples.
  public func taskHash(of task: String) -> String? {
    document["task_hashes"]?[task]?.stringValue
  }

  /// The file of a task's samples; nil if there is none.
  func samplesURL(of task: String) -> URL? {
    let file = url.deletingLastPathComponent().appending(path: "samples_\(task)_\(stamp).jsonl")
    return FileManager.default.fileExists(atPath: file.path) ? file : nil
  }

  /// Seconds that lm-eval says it took; a text in its files.
  var seconds: Double {
    let value = document["total_evaluation_time_seconds"]
    return value?.doubleValue ?? value?.stringValue.flatMap(Double.init) ?? 0
  }
}

// MARK: - Metrics

extension LmEvalResults {
  /// Every number with its definition; errors and numbers that are no numbers are left out.
  ///
  /// Definitions hold the task's hash: equal ones are of equal questions, whatever program asked.
  ///
  /// - Returns: Metrics named as in lm-eval, `acc` for `acc,none`, `pass@1` for `pass@1,create_test`,
  ///   `exact_match,strict-match` as it is.
  public func metrics() -> [Metric] {
    tasks.flatMap { task in
      (document["results"]?[task]?.objectValue?.members ?? []).compactMap { key, value in
        guard let name = Self.metricName(key), let number = value.doubleValue, number.isFinite
        else { return nil }
        return Metric(
          definition: definition(name, of: task), value: number, items: items(of: task, key))
      }
    }
  }

  /// Whether lm-eval's number is the mean over questions.
  func isMean(_ metric: String, of task: String) -> Bool {
    let base = String(metric.prefix { $0 != "," })
    let listed = document["configs"]?[task]?["metric_list"]?.arrayValue ?? []
    let aggregation = listed.first { $0["metric"]?.stringValue == base }?["aggregation"]
    guard let aggregation else {
      return ["acc", "acc_norm", "acc_bytes", "exact_match"].contains(base)
    }
    return aggregation.stringValue == "mean"
  }

  /// nil for what is no metric: names, counts, and errors.
  static func metricName(_ key: String) -> String? {
    guard let comma = key.firstIndex(of: ",") else { return nil }
    let (name, filter) = (key[..<comma], key[key.index(after: comma)...])
    guard !name.hasSuffix("_stderr") else { return nil }
    return metricName(String(name), filter: String(filter))
  }

  static func metricName(_ name: String, filter: String) -> String {
    [LmEvalMetric.noFilter, LmEvalMetric.programs].contains(filter) ? name : "\(name),\(filter)"
  }

  /// The scope of a task's metrics: another definition than ours, so another column of one table.
  static func scope(of task: String) -> String { "\(task)\(externalMark)" }

  private static let externalMark = " (lm-eval)"

  /// Whether a scope is of imported results.
  public static func isExternal(scope: String) -> Bool { scope.hasSuffix(externalMark) }

  private func items(of task: String, _ key: String) -> Int {
    let result = document["results"]?[task]
    let counts = [
      document["n-samples"]?[task]?["effective"], result?["sample_count"]?[key],
      result?["sample_len"],
    ]
    return counts.lazy.compactMap { $0?.intValue }.first ?? 0
  }

  private func definition(_ name: String, of task: String) -> MetricDefinition {
    let plain = String(name.prefix { $0 != "," })
    let falling = ["perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"]
    let higher = document["higher_is_better"]?[task]?[plain]?.boolValue
    var parameters = JSONObject([
      ("protocol", "lm-eval"), ("version", JSONValue(version)),
      ("taskVersion", document["versions"]?[task] ?? .null),
      ("shots", document["n-shot"]?[task] ?? .null),
      ("compute", document["config"]?["model_dtype"] ?? .null),
      ("chatTemplate", document["chat_template_sha"] ?? .null),
      ("systemInstruction", document["system_instruction_sha"] ?? .null),
    ])
    parameters["taskHash"] = taskHash(of: task).map { JSONValue($0) }
    // Without a hash the number of questions is all that is known of them.
    if taskHash(of: task) == nil { parameters["samples"] = document["n-samples"]?[task] ?? .null }
    parameters["generation"] = document["configs"]?[task]?["generation_kwargs"]
    return MetricDefinition(
      name: name, scope: Self.scope(of: task), unit: falling.contains(plain) ? plain : "fraction",
      higherIsBetter: higher ?? !falling.contains(plain), protocolParameters: .object(parameters))
  }
}
