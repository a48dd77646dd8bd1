import Evaluation
import Foundation
import HDF5
import JSON
import Testing

@testable import Experiments

@Suite("Results of lm-eval")
struct LmEvalTests {
  private static let tests = URL(filePath: #filePath).deletingLastPathComponent()
  private static let experiments = tests.appending(path: "../../experiments").standardizedFileURL

  /// Written by lm-eval 0.4.13 itself, see Golden/lm_eval_output.py: six rows of three tasks.
  private static let golden = tests.appending(path: "Golden/lm-eval-output")
  /// Of the same making: two rows of gsm8k, answers written.
  private static let generated = tests.appending(path: "Golden/lm-eval-generated")

  private func imported(
    _ folder: URL, into bench: Bench, axes: [AxisLabel] = []
  ) throws -> RunResult {
    let results = try #require(try LmEvalResults.all(in: folder).first)
    let run = try LmEvalImport(results, experiment: "related", axes: axes)
      .write(to: bench.workspace)
    return try #require(bench.workspace.run(run).result())
  }

  /// The rows that lm-eval asked, as its samples quote them.
  private func goldenRows(of task: String, in folder: URL = golden) throws -> [String] {
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    let name = try #require(files.first { $0.contains("samples_\(task)_") })
    let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    return try text.split(separator: "\n").map { line in
      PythonJSON.text(try JSONParser.parse(String(line)).member("doc")) + "\n"
    }
  }

  @Test("numbers, counts and directions are those of the file")
  func metrics() throws {
    let results = try #require(try LmEvalResults.all(in: Self.golden).first)
    let metrics = results.metrics()
    func metric(_ name: String, _ scope: String) throws -> Metric {
      try #require(
        metrics.first {
          $0.definition.name == name && $0.definition.scope == "\(scope) (lm-eval)"
        })
    }
    #expect(metrics.count == 8)
    #expect(try metric("acc", "piqa").value == 1.0 / 3)
    #expect(try metric("acc_norm", "piqa").items == 6)
    let perplexity = try metric("perplexity", "lambada_openai")
    #expect(perplexity.value == 4385718.095978699)
    #expect(!perplexity.definition.higherIsBetter)
    #expect(
      try metric("acc", "piqa").definition.protocolParameters["taskHash"]
        == "bb64ce6a72f5e4204578b706c794d8bb610cb9b0146029593de66b7181fd2575")
  }

  @Test("a run is made, marked external, indexed with its items, and made once")
  func run() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let result = try imported(Self.golden, into: bench)
    #expect(result.isExternal)
    #expect(result.axes == [AxisLabel(axis: "method", label: "english-moe-20m (external)")])
    #expect(result.outcome.remarks.first?.hasPrefix("External: ") == true)
    #expect(try imported(Self.golden, into: bench).run == result.run)
    let rows = try Index(bench.workspace).results(of: "related")
    #expect(rows.map(\.run) == [result.run])
    #expect(rows[0].state == "done" && rows[0].metrics.count == 8)
    let stage = try #require(result.stages.first)
    let folder = ArtifactStore(root: bench.workspace.artifacts)
      .folder(stage: stage.name, key: stage.key)
    let items = try HDF5Reader(folder.appending(path: "items.h5"))
    #expect(try items.read("tasks/piqa (lm-eval)/acc", as: Double.self) == [1, 0, 0, 0, 1, 0])
    let scores = try items.read("tasks/lambada_openai (lm-eval)/perplexity", as: Double.self)
    // lm-eval's own aggregate: exp of minus the mean, both in double precision.
    #expect(abs(exp(-scores.reduce(0, +) / 6) / 4385718.095978699 - 1) < 1e-12)
    #expect(try items.read("tasks/piqa (lm-eval)/log_likelihood", as: Double.self).count == 12)
    #expect(try bench.workspace.externalResults(of: "related").map(\.run) == [result.run])
    #expect(try bench.workspace.externalResults(of: "other").isEmpty)
  }

  @Test("generated answers are read filter by filter, each with its values")
  func generated() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let result = try imported(Self.generated, into: bench)
    #expect(
      result.outcome.metrics.map(\.definition.name)
        == ["exact_match,strict-match", "exact_match,flexible-extract"])
    #expect(result.outcome.metrics.allSatisfy { $0.items == 2 })
    let items = try RunItems(result, in: bench.workspace)
    for metric in result.outcome.metrics {
      let values = try #require(try items.items(of: metric.definition))
      #expect(values.form == .outcomes && values.names == ["0", "1"])
      #expect(values.values.reduce(0, +) / 2 == metric.value)
    }
  }

  @Test("groups are tasks of lm-eval's own, with their mean; other runs may lie beside them")
  func groups() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let rows = Self.tests.appending(path: "../EvaluationTests/Golden/rows").standardizedFileURL.path
    let text = """
      {"schemaVersion": 1, "name": "ours", "base": {"model": {"path": "reference-model"},
       "compute": "f32", "evaluation": {"tasks": {
         "many": {"definition": "tasks/mmlu.json", "rows": "\(rows)", "limit": 1}}}}}
      """
    let spec = try ExperimentSpec(
      document: try JSONParser.parse(text), folder: Self.experiments)
    _ = try Engine(workspace: bench.workspace, pipeline: ModelPipeline()).run(spec) { _ in }
    let ours = try #require(try bench.workspace.allRuns().first?.result())
    let out = bench.root.appending(path: "out")
    try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
    try Data().write(to: out.appending(path: "other.txt"))
    _ = try LmEvalExport(ours, folder: Self.experiments, in: bench.workspace).write(to: out)
    let results = try #require(try LmEvalResults.all(in: out).first)
    let parts = try #require(results.document["group_subtasks"]?["mmlu"]?.arrayValue)
    #expect(parts.contains("mmlu_anatomy"))
    // A limit is of each subject.
    #expect(parts.count == ours.outcome.metrics[0].items && parts.count > 1)
    for part in parts {
      let name = try #require(part.stringValue)
      #expect(results.document["n-samples"]?[name]?["effective"] == 1)
      #expect(results.taskHash(of: name) != nil)
    }
    let back = try imported(out, into: bench)
    func value(_ name: String) -> Double? {
      back.outcome.metrics.first {
        $0.definition.name == name && $0.definition.scope == "mmlu (lm-eval)"
      }?.value
    }
    #expect(value("acc") == ours.outcome.metrics[0].value)
    #expect(value("acc_macro") == ours.outcome.metrics[1].value)
  }

  @Test("samples of another evaluation, and lines that are none, are refused with their place")
  func refused() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let copy = bench.root.appending(path: "copy")
    try FileManager.default.copyItem(at: Self.golden, to: copy)
    let name = try #require(
      try FileManager.default.subpathsOfDirectory(atPath: copy.path).first {
        $0.contains("samples_piqa")
      })
    let file = copy.appending(path: name)
    let text = try String(contentsOf: file, encoding: .utf8)
    try Data(text.replacing("ab177c9b", with: "00000000").utf8).write(to: file)
    #expect {
      try imported(copy, into: bench)
    } throws: { "\($0)".contains("not of one evaluation") }
    try Data((text + "{\"doc_id\": \"x\"}\n").utf8).write(to: file)
    #expect {
      try imported(copy, into: bench)
    } throws: { "\($0)".contains("\(file.path):7: ") && !"\($0)".hasSuffix("..") }
    // A value that is none has a place too.
    try Data(text.replacing(#""acc": 0.0"#, with: #""acc": "x""#).utf8).write(to: file)
    #expect {
      try imported(copy, into: bench)
    } throws: { "\($0)".contains("\(file.path):2: ") && "\($0)".contains("acc") }
    // The samples of piqa are two thirds wrong.
    try Data(text.replacing(#""acc": 0.0"#, with: #""acc": 1.0"#).utf8).write(to: file)
    #expect {
      try imported(copy, into: bench)
    } throws: { "\($0)".contains("the mean acc of the samples of 'piqa' is 1.0") }
    let empty = bench.root.appending(path: "results_x.json")
    try Data(#"{"results": {}}"#.utf8).write(to: empty)
    #expect { try LmEvalResults(empty) } throws: { "\($0)".contains("names no task") }
    try Data(#"{"results": {"a": {"acc,none": NaN, "acc_norm,none": 1}}}"#.utf8).write(to: empty)
    #expect(try LmEvalResults(empty).metrics().map(\.definition.name) == ["acc_norm"])
    #expect(throws: LmEvalError.noResults(path: bench.root.appending(path: "none").path)) {
      try LmEvalResults.all(in: bench.root.appending(path: "none"))
    }
  }

  @Test("what is exported comes back, with lm-eval's own hash of the task", .timeLimit(.minutes(2)))
  func roundTrip() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let rows = Self.tests.appending(path: "../EvaluationTests/Golden/rows").standardizedFileURL.path
    let asked = bench.root.appending(path: "piqa.jsonl")
    try Data(try goldenRows(of: "piqa").joined().utf8).write(to: asked)
    let questions = bench.root.appending(path: "gsm8k.jsonl")
    try Data(try goldenRows(of: "gsm8k", in: Self.generated).prefix(2).joined().utf8)
      .write(to: questions)
    let text = """
      {"schemaVersion": 1, "name": "ours", "base": {"model": {"path": "reference-model"},
       "compute": "f32", "evaluation": {"tasks": {
         "piqa": {"definition": "tasks/piqa.json", "rows": "\(asked.path)", "limit": 6},
         "lambada": {"definition": "tasks/lambada.json", "rows": "\(rows)", "limit": 2},
         "gsm8k": {"definition": "tasks/gsm8k.json", "rows": "\(questions.path)",
           "maximumTokens": 8},
         "humaneval": {"definition": "tasks/humaneval.json", "rows": "\(rows)", "limit": 2,
           "maximumTokens": 8, "samples": 2, "temperature": 1, "passAt": [2]}}}}}
      """
    let spec = try ExperimentSpec(
      document: try JSONParser.parse(text), folder: Self.experiments)
    _ = try Engine(workspace: bench.workspace, pipeline: ModelPipeline()).run(spec) { _ in }
    let run = try #require(try bench.workspace.allRuns().first)
    let ours = try #require(run.result())
    let out = bench.root.appending(path: "out")
    let files = try LmEvalExport(ours, folder: Self.experiments, in: bench.workspace)
      .write(to: out)
    #expect(files.count == 5)
    let results = try #require(try LmEvalResults.all(in: out).first)
    // The reference model has other answers than the golden file's, and the same questions.
    let theirs = try #require(try LmEvalResults.all(in: Self.golden).first)
    #expect(results.taskHash(of: "piqa") == theirs.taskHash(of: "piqa"))
    let written = try #require(try LmEvalResults.all(in: Self.generated).first)
    #expect(results.taskHash(of: "gsm8k") == written.taskHash(of: "gsm8k"))
    let back = try imported(out, into: bench)
    for metric in ours.outcome.metrics {
      let scope = metric.definition.scope
      let same = back.outcome.metrics.first {
        $0.definition.name == metric.definition.name
          && $0.definition.scope == "\(scope == "lambada" ? "lambada_openai" : scope) (lm-eval)"
      }
      #expect(same?.value == metric.value, "\(metric.definition.name)")
      #expect(same?.items == metric.items)
    }
    #expect(back.outcome.metrics.count == ours.outcome.metrics.count)
    try checkGenerated(out)
    #expect(throws: LmEvalError.exists(path: files[0].path)) {
      try LmEvalExport(ours, folder: Self.experiments, in: bench.workspace).write(to: out)
    }
    #expect(throws: LmEvalError.external(run: back.run)) {
      try LmEvalExport(back, folder: Self.experiments, in: bench.workspace)
    }
    #expect(throws: LmEvalError.self) {
      try LmEvalExport(ours, folder: bench.root, in: bench.workspace)
    }
  }

  /// Questions stand once for every filter, with what each leaves of the texts.
  private func checkGenerated(_ out: URL) throws {
    func samples(_ task: String) throws -> [JSONValue] {
      let files = try FileManager.default.subpathsOfDirectory(atPath: out.path)
      let name = try #require(files.first { $0.contains("samples_\(task)_") })
      return try String(contentsOf: out.appending(path: name), encoding: .utf8)
        .split(separator: "\n").map { try JSONParser.parse(String($0)) }
    }
    let numbers = try samples("gsm8k")
    #expect(numbers.map { $0["doc_id"]?.intValue } == [0, 1, 0, 1])
    #expect(
      numbers.map { $0["filter"]?.stringValue }
        == ["strict-match", "strict-match", "flexible-extract", "flexible-extract"])
    #expect(numbers[0]["filtered_resps"] == ["[invalid]"])
    #expect(numbers[0]["metrics"] == ["exact_match"] && numbers[0]["exact_match"] == 0)
    #expect(
      numbers[0]["arguments"]?["gen_args_0"]?["arg_1"]?["until"]?.arrayValue?.first == "Question:")
    let programs = try samples("humaneval")
    #expect(programs.count == 2 && programs[0]["metrics"] == ["pass@1", "pass@2"])
    let texts = try #require(programs[0]["resps"]?.arrayValue?.first?.arrayValue)
    #expect(texts.count == 2)
    let prompt = try #require(programs[0]["arguments"]?["gen_args_0"]?["arg_0"]?.stringValue)
    #expect(
      programs[0]["filtered_resps"]?.arrayValue?.first?.arrayValue
        == texts.map { JSONValue(prompt + ($0.stringValue ?? "")) })
    let results = try #require(try LmEvalResults.all(in: out).first).document
    #expect(results["results"]?["humaneval"]?["pass@2,create_test"] == 0)
    #expect(results["results"]?["gsm8k"]?["exact_match,strict-match"] == 0)
    #expect(results["configs"]?["gsm8k"]?["output_type"] == "generate_until")
    #expect(results["n-samples"]?["gsm8k"]?["effective"] == 2)
    #expect(results["versions"]?["gsm8k"] == 3)
    // As in lm-eval's own file: every request has a list of one answer.
    let pairs = try #require(try samples("piqa")[0]["resps"]?.arrayValue)
    #expect(pairs.count == 2 && pairs[0].arrayValue?.first?.arrayValue?.count == 2)
  }

  @Test(
    "texts are those of Python's json.dumps with ensure_ascii=False",
    arguments: [
      (#"{"a": [1, 2.5], "b": {}, "c": []}"#, nil, #"{"a": [1, 2.5], "b": {}, "c": []}"#),
      (
        #"{"a":[1,{"b":null}]}"#, 2,
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ]\n}"
      ),
      (#"["é\u0001\n\"\\\u007f\/"]"#, nil, "[\"é\\u0001\\n\\\"\\\\\u{7f}/\"]"),
      ("[1e-7, 1e22, 0.1, -0.5, true]", nil, "[1e-07, 1e+22, 0.1, -0.5, true]"),
    ] as [(String, Int?, String)])
  func python(text: String, indent: Int?, expected: String) throws {
    #expect(PythonJSON.text(try JSONParser.parse(text), indent: indent) == expected)
  }
}
