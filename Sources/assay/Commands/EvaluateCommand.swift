import ArgumentParser
import Evaluation
import Experiments
import Foundation
import JSON
import MoEModels

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Ask a model the questions of tasks.",
    discussion: """
      Tasks are files of experiments/tasks, or your own; their prompts and scoring are those of
      lm-eval where the file says so. Rows are JSON lines in the folder --rows, plain or gzip; where
      one is missing, the error says what it holds. Works on full precision and on quantized folders.

      Examples:
        assay evaluate models/olmoe --task hellaswag --task piqa --rows benchmarks
        assay evaluate models/olmoe --task mmlu --shots 5 --rows benchmarks --groups
        assay evaluate experiments/reference-model --task reference-stories --items items.jsonl
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "Name of a task, or its file; may be given several times.")
  var task: [String]

  @Option(help: "Folder of task files.", completion: .directory)
  var tasks = "experiments/tasks"

  @Option(help: "Folder of the tasks' rows.", completion: .directory)
  var rows = "."

  @Option(help: "Solved examples before each question; those of the task if left out.")
  var shots: Int?

  @Option(help: "Only so many items from the start; the definition says so.")
  var limit: Int?

  @Flag(help: "Also the groups of items, such as the subjects of MMLU.")
  var groups = false

  @Option(help: "File to write: JSON lines of items with their scores.", completion: .file())
  var items: String?

  @OptionGroup var compute: ComputeOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    guard !task.isEmpty else { throw ValidationError("--task: name at least one task.") }
    if let shots, !(0...64).contains(shots) {
      throw ValidationError("--shots \(shots): give 0 to 64.")
    }
    if let limit, limit < 1 { throw ValidationError("--limit \(limit): give at least 1.") }
  }

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    let definitions = try task.map { name in
      let definition = try TaskDefinition.named(name, in: URL(filePath: tasks))
      return try shots.map { try definition.withShots($0) } ?? definition
    }
    // All rows are read before the first question is asked.
    let questions = try definitions.map { definition in
      let all = try definition.items(in: URL(filePath: rows))
      return limit.map { Array(all.prefix($0)) } ?? all
    }
    if let items { try OutputPlace.check(URL(filePath: items), mayBeEmptyFolder: false) }
    let folder = try ModelFolder(URL(filePath: model))
    let tokenizer = try folder.tokenizer()
    var table = DataTable(["task", "metric", "group", "value", "items", "definition"])
    var lines: [String] = []
    for (definition, questions) in zip(definitions, questions) {
      let scores = try TaskScores(
        of: folder.weights, task: definition, items: questions, tokenizer: tokenizer,
        precision: compute.precision
      ) { StepProgress.show($0, "task \(definition.name)") }
      StepProgress.finish()
      let identity = try identity(of: definition, tokenizer: folder.directory)
      for metric in definition.metrics where !metric.isOfGeneration {
        append(metric, of: scores, definition, identity, to: &table)
      }
      lines += zip(scores.items, scores.answers).map { line(definition.name, $0, $1) }
    }
    if let items {
      try SingleStage.write(file: URL(filePath: items)) { [lines] url, _ in
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: url)
      }
    }
    try StandardOutput.write(table.text(format.format))
  }

  private func append(
    _ metric: TaskMetric, of scores: TaskScores, _ definition: TaskDefinition, _ identity: String,
    to table: inout DataTable
  ) {
    func row(_ group: String, _ value: Double, _ items: Int) {
      table.append([
        JSONValue(definition.name), JSONValue(metric.rawValue), JSONValue(group), JSONValue(value),
        JSONValue(items), JSONValue(identity),
      ])
    }
    let parts = scores.groups(metric)
    row(parts.isEmpty ? "" : "all items", scores.value(metric), scores.items.count)
    if let mean = scores.macroAverage(metric) { row("mean of groups", mean, scores.items.count) }
    guard groups else { return }
    for part in parts { row(part.name, part.value, part.items) }
  }

  /// A hash of everything that fixes the numbers, the model aside.
  private func identity(of definition: TaskDefinition, tokenizer model: URL) throws -> String {
    let folder = URL(filePath: rows)
    let examples = try definition.examplesURL(in: folder).map { try Digest.of(file: $0) }
    var json = JSONObject([
      (
        "task",
        definition.identity(
          rows: try Digest.of(file: definition.rowsURL(in: folder)), examples: examples)
      ),
      ("compute", JSONValue(compute.precision.rawValue)),
      ("tokenizer", JSONValue(try Digest.of(file: model.appending(path: "tokenizer.json")))),
    ])
    json["limit"] = limit.map { JSONValue($0) }
    return Digest.shortName(of: CanonicalJSON.data(.object(json)))
  }

  private func line(_ task: String, _ item: TaskItem, _ answer: TaskScores.Answer) -> String {
    CanonicalJSON.text(
      [
        "task": JSONValue(task), "item": JSONValue(item.id),
        "group": item.group.map { JSONValue($0) } ?? .null,
        "answer": item.answer.map { JSONValue($0) } ?? .null,
        "logLikelihoods": .array(answer.logLikelihoods.map { JSONValue($0) }),
        "isGreedy": .array(answer.isGreedy.map { JSONValue($0) }),
      ])
  }
}
