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
        assay evaluate --task humaneval --canonical
        assay evaluate models/olmoe --task humaneval --samples 20 --temperature 0.8 --pass-at 10
      """)

  @Argument(help: "Model folder; not with --canonical.", completion: .directory)
  var model: String?

  @Option(help: "Name of a task, or its file; may be given several times.")
  var task: [String]

  @Option(help: "Folder of task files.", completion: .directory)
  var tasks = "experiments/tasks"

  @Option(
    help: "Folder of the tasks' rows; where make data puts them if left out.",
    completion: .directory)
  var rows: String?

  @Option(help: "Solved examples before each question; those of the task if left out.")
  var shots: Int?

  @Option(help: "Only so many items from the start, of each group; the definition says so.")
  var limit: Int?

  @Flag(help: "Also the groups of items, such as the subjects of MMLU.")
  var groups = false

  @Flag(help: "Score the solutions that the rows bring instead of a model's: all should be right.")
  var canonical = false

  @Option(help: "File to write: JSON lines of items with their scores.", completion: .file())
  var items: String?

  @Option(help: "Of tasks that the model writes answers to: texts for each item.")
  var samples = 1

  @Option(help: "Of written answers: 0 takes the likeliest token always.")
  var temperature = 0.0

  @Option(help: "Of written answers: only the likeliest tokens with this probability together.")
  var topP: Double?

  @Option(help: "Of drawn answers.")
  var seed: UInt64 = 0

  @Option(help: "Of written answers, in the place of the task's, for models of few positions.")
  var maxTokens: Int?

  @Option(help: "k of pass@k, up to --samples; may be given several times.")
  var passAt: [Int] = []

  @OptionGroup var compute: ComputeModeOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    if canonical == (model != nil) {
      throw ValidationError(
        canonical
          ? "--canonical asks no model: leave out '\(model ?? "")'." : "Name the model's folder.")
    }
    guard !task.isEmpty else { throw ValidationError("--task: name at least one task.") }
    if let shots, !(0...64).contains(shots) {
      throw ValidationError("--shots \(shots): give 0 to 64.")
    }
    guard samples > 0 else { throw ValidationError("--samples \(samples): give at least 1.") }
    if let k = passAt.first(where: { !(1...samples).contains($0) }) {
      throw ValidationError("--pass-at \(k): give 1 to --samples, which is \(samples).")
    }
    do {
      try GenerationOptions(
        maximumTokens: maxTokens ?? 1, temperature: temperature, topP: topP
      ).check()
    } catch { throw ValidationError("\(error)") }
    if let limit, limit < 1 { throw ValidationError("--limit \(limit): give at least 1.") }
  }

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    let asked = try task.map { name in
      var definition = try TaskDefinition.named(name, in: URL(filePath: tasks))
      if let shots { definition = try definition.withShots(shots) }
      var asked = EvaluateStage.DefinedTask(
        name: definition.name, definition: definition,
        rows: rows.map { URL(filePath: $0) } ?? definition.usualRows, limit: limit)
      asked.sampling = AnswerSampling(
        samples: samples, temperature: temperature, topP: topP, maximumTokens: maxTokens,
        seed: seed)
      return asked
    }
    // All rows are read before the first question is asked.
    let questions = try asked.map { try $0.items() }
    if let items { try OutputPlace.check(URL(filePath: items), mayBeEmptyFolder: false) }
    var table = DataTable(["task", "metric", "group", "value", "items", "definition"])
    var lines: [String] = []
    if let model {
      let folder = try ModelFolder(URL(filePath: model)).executed(as: compute.mode)
      let tokenizer = try folder.tokenizer()
      let digest = try Digest.of(file: folder.directory.appending(path: "tokenizer.json"))
      for (task, items) in zip(asked, questions) {
        let parameters = try task.metricParameters(tokenizer: digest, compute: compute.mode)
        if task.definition.kind == .generation {
          let scores = try task.generate(
            folder, tokenizer, items: items, precision: compute.precision
          ) { StepProgress.show($0, "task \(task.name)") }
          StepProgress.finish()
          append(scores, task.definition, parameters, to: &table)
          for k in passAt where k > 1 && task.definition.runsPrograms {
            append(scores.chances(passingOf: k), k: k, task.definition, parameters, to: &table)
          }
          lines += scores.lines(task: task.name)
          continue
        }
        let scores = try task.evaluate(
          folder, tokenizer, items: items, precision: compute.precision
        ) { StepProgress.show($0, "task \(task.name)") }
        StepProgress.finish()
        append(scores, task.definition, parameters, to: &table)
        lines += zip(scores.items, scores.answers).map { line(task.name, $0, $1) }
      }
    } else {
      let sandbox = try Sandbox()
      for (task, items) in zip(asked, questions) {
        let scores = try GenerationScores(
          ofSolutions: task.definition, items: items, sandbox: sandbox
        ) { StepProgress.show($0, "solutions of \(task.name)") }
        StepProgress.finish()
        let parameters: JSONValue = [
          "task": try task.solutionParameters(), "sandbox": sandbox.limits.json,
        ]
        append(scores, task.definition, parameters, to: &table)
        lines += scores.lines(task: task.name)
      }
    }
    if let items {
      try SingleStage.write(file: URL(filePath: items)) { [lines] url, _ in
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: url)
      }
    }
    try StandardOutput.write(table.text(format.format))
  }

  private func append(
    _ chances: [Double], k: Int, _ definition: TaskDefinition, _ parameters: JSONValue,
    to table: inout DataTable
  ) {
    table.append([
      JSONValue(definition.name), JSONValue("pass@\(k)"), "",
      JSONValue(chances.reduce(0, +) / Double(chances.count)), JSONValue(chances.count),
      JSONValue(Digest.shortName(of: CanonicalJSON.data(parameters))),
    ])
  }

  private func append(
    _ scores: some ItemScores, _ definition: TaskDefinition, _ parameters: JSONValue,
    to table: inout DataTable
  ) {
    let identity = Digest.shortName(of: CanonicalJSON.data(parameters))
    for metric in definition.metrics {
      append(metric, of: scores, definition, identity, to: &table)
    }
  }

  private func append(
    _ metric: TaskMetric, of scores: some ItemScores, _ definition: TaskDefinition,
    _ identity: String,
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
