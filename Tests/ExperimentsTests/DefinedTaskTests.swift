import Evaluation
import Foundation
import HDF5
import JSON
import Testing

@testable import Experiments

@Suite("Tasks of specs")
struct DefinedTaskTests {
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  private func point(_ tasks: String) throws -> PointParameters {
    let text = #"{"model": {"path": "reference-model"}, "evaluation": {"tasks": \#(tasks)}}"#
    return try PointParameters(json: try JSONParser.parse(text), folder: Self.experiments)
  }

  private func stage(_ tasks: String) throws -> EvaluateStage {
    let point = try point(tasks)
    return try EvaluateStage(point, precision: .f32).withDefinedTasks(of: point)
  }

  private func metrics(_ stage: EvaluateStage, in folder: URL) throws -> [Metric] {
    try stage.write(
      weights: Self.experiments.appending(path: "reference-model"),
      to: StageContext(directory: folder, inputs: [:], progress: { _, _ in }))
    return try JSONDecoder().decode(
      [Metric].self, from: Data(contentsOf: folder.appending(path: "metrics.json")))
  }

  @Test("a definition gives its metrics with every item, under a hash of its own")
  func evaluation() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let stage = try stage(
      #"{"stories": {"definition": "tasks/reference-stories.json", "limit": 20}}"#)
    let metrics = try metrics(stage, in: bench.root)
    let accuracy = try #require(metrics.first)
    #expect(metrics.count == 1)
    #expect(accuracy.definition.name == "acc" && accuracy.definition.scope == "stories")
    #expect(accuracy.items == 20)
    let items = try HDF5Reader(bench.root.appending(path: "items.h5"))
    let values = try items.read("tasks/stories/acc", as: Double.self)
    #expect(values.count == 20)
    #expect(values.reduce(0, +) / 20 == accuracy.value)
    let names = String(
      decoding: try items.read("tasks/stories/item", as: UInt8.self), as: UTF8.self)
    #expect(names.split(separator: "\n").count == 20)
    let requests = try items.read("tasks/stories/requests", as: Int64.self)
    #expect(
      try items.read("tasks/stories/log_likelihood", as: Double.self).count
        == Int(requests.reduce(0, +)))
    #expect(accuracy.definition.protocolParameters["limit"]?.intValue == 20)
  }

  @Test("groups have their mean beside that of all items")
  func groups() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let rows = Self.experiments.appending(path: "../Tests/EvaluationTests/Golden/rows")
      .standardizedFileURL.path
    let tasks =
      #"{"mmlu": {"definition": "tasks/mmlu.json", "rows": "\#(rows)", "limit": 8, "fewShot": 0}}"#
    let metrics = try metrics(try stage(tasks), in: bench.root)
    #expect(metrics.map(\.definition.scope) == ["mmlu", "mmlu, mean of groups"])
    #expect(metrics[0].definition.protocolParameters["task"]?["shots"]?.intValue == 0)
    let names = ModelPipeline.resultNames(
      of: [GridPoint(axes: [], aliases: [], parameters: try point(tasks))])
    #expect(names.metrics["acc"] == ["mmlu", "mmlu, mean of groups", "mmlu (lm-eval)"])
    // Subjects are metrics where they are asked for.
    let apart = tasks.replacing(#""limit": 8"#, with: #""limit": 8, "groups": true"#)
    let subjects = try self.metrics(try stage(apart), in: bench.root)
    #expect(subjects.map(\.definition.scope).dropFirst(2).contains("mmlu, anatomy"))
    #expect(subjects.dropFirst(2).reduce(0) { $0 + $1.items } == subjects[0].items)
    let scopes = ModelPipeline.resultNames(
      of: [GridPoint(axes: [], aliases: [], parameters: try point(apart))]
    ).metrics["acc"]
    #expect(scopes == Set(subjects.map(\.definition.scope)).union(["mmlu (lm-eval)"]))
  }

  @Test("what a model writes is run, kept, and counted", .timeLimit(.minutes(2)))
  func generation() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let rows = Self.experiments.appending(path: "../Tests/EvaluationTests/Golden/rows")
      .standardizedFileURL.path
    let task = #"""
      "definition": "tasks/humaneval.json", "rows": "\#(rows)", "limit": 2, "maximumTokens": 8
      """#
    let drawn = #"{"code": {\#(task), "samples": 2, "temperature": 1, "passAt": [2]}}"#
    let metrics = try metrics(try stage(drawn), in: bench.root)
    #expect(metrics.map(\.definition.name) == ["pass@1", "pass@2"])
    // The reference model knows no Python of this kind.
    #expect(metrics.allSatisfy { $0.value == 0 && $0.items == 2 })
    let lines = try String(
      contentsOf: bench.root.appending(path: "code.generations.jsonl"), encoding: .utf8)
    #expect(lines.split(separator: "\n").count == 4)
    let point = try point(drawn)
    #expect(ModelPipeline().seedStreams(for: point) == [.evaluation])
    #expect(try ModelPipeline().seedStreams(for: self.point("{\"code\": {\(task)}}")).isEmpty)
    func key(_ seed: UInt64, _ tasks: String) throws -> JSONValue {
      try EvaluateStage(try self.point(tasks), precision: .f32)
        .withDefinedTasks(of: try self.point(tasks), seed: seed)
        .stage(weights: .file(URL(filePath: "/weights"))).parameters
    }
    #expect(try key(1, drawn) != key(2, drawn))
    #expect(try key(1, "{\"code\": {\(task)}}") == key(2, "{\"code\": {\(task)}}"))
  }

  @Test("what changes numbers changes the key, names of files do not")
  func keys() throws {
    func parameters(_ tasks: String) throws -> JSONValue {
      try stage(tasks).stage(weights: .file(URL(filePath: "/weights"))).parameters
    }
    let task = #""definition": "tasks/reference-stories.json""#
    let whole = try parameters(#"{"a": {\#(task)}}"#)
    #expect(try whole != parameters(#"{"a": {\#(task), "limit": 3}}"#))
    #expect(
      try whole
        == parameters(#"{"a": {\#(task), "rows": "reference-model/items/stories.jsonl"}}"#))
    // Files of items alone leave the keys of before as they were.
    #expect(
      try parameters(#"{"a": "reference-model/items/stories.jsonl"}"#) == [
        "compute": "f32", "perplexity": [:], "tasks": ["a"],
      ])
  }

  @Test(
    "wrong tasks are refused with their place",
    arguments: [
      (#"{"a": {"definitoin": "x"}}"#, "definition"),
      (#"{"a": {}}"#, "definition"),
      (#"{"a": {"definition": "x", "limit": 0}}"#, "/evaluation/tasks/a/limit"),
      (#"{"a": 3}"#, "/evaluation/tasks/a"),
      (#"{"all": "x"}"#, "is taken"),
      (#"["x"]"#, "names and tasks"),
    ])
  func refused(tasks: String, message: String) throws {
    let error = #expect(throws: SpecError.self) { try point(tasks) }
    #expect(try #require(error).description.contains(message), "\(error!)")
  }

  @Test("missing rows and definitions are told before anything is computed")
  func missing() throws {
    let problems = ModelInputs.problems(in: [
      try point(
        #"""
        {"a": {"definition": "tasks/hellaswag.json", "rows": "nowhere"},
         "b": {"definition": "tasks/none.json"}}
        """#)
    ])[0].map(\.sentence)
    #expect(problems.count == 2)
    #expect(problems[0].contains("make data"), "\(problems)")
    #expect(problems[1].contains("tasks/none.json"), "\(problems)")
  }
}
