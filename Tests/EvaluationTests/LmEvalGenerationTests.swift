import Evaluation
import Foundation
import JSON
import MoEModels
import Testing

/// What `Golden/lm_eval_generation.py` got of lm-eval.
private struct GenerationGolden: Decodable {
  struct Task: Decodable {
    let task: String
    let stops: Bool
    let texts: [String]
  }
  struct Written: Decodable {
    let tokens: Int
    let tasks: [Task]
  }
  struct Drawn: Decodable {
    let pool: Int
    let shots: Int
    let prompts: [String]
  }
  let written: [String: Written]
  let drawn: [Drawn]

  init() throws {
    let url = LmEvalGolden.folder.appending(path: "lm-eval.generation.json")
    self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: url))
  }

  /// Lets a model write, and compares byte by byte.
  func compare(_ name: String, _ folder: URL, rows: URL) throws {
    let golden = try #require(written[name])
    let model = try ModelFolder(folder)
    let tokenizer = try model.tokenizer()
    let generator = TextGenerator(
      try Decoder(source: model.weights, precision: .f32), tokenizer: tokenizer)
    for task in golden.tasks {
      let definition = try LmEvalGolden.definition(task.task, shots: 0)
      let items = try definition.items(in: rows).prefix(task.texts.count)
      let prompts = items.map { tokenizer.encode($0.requests[0].context, addSpecialTokens: true) }
      let options = GenerationOptions(
        maximumTokens: golden.tokens, stops: task.stops ? definition.generation?.stops ?? [] : [],
        batch: 4)
      let texts = try generator.continuations(of: prompts, options: options).continuations
        .map(\.text)
      #expect(
        texts.map { Array($0.utf8) } == task.texts.map { Array($0.utf8) },
        "\(name), \(task.task)")
    }
  }
}

@Suite("Generation equals lm-eval's generate_until")
struct LmEvalGenerationTests {
  @Test("greedy answers of the reference model are the same texts")
  func written() throws {
    try GenerationGolden().compare(
      "reference-model", experiments.appending(path: "reference-model"),
      rows: LmEvalGolden.folder.appending(path: "rows"))
  }

  @Test("examples are drawn as lm-eval draws them, other ones for every question")
  func drawn() throws {
    let folder = URL.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func row(_ question: String, _ answer: String) -> String {
      #"{"question": "\#(question)", "answer": "\#(answer)"}"# + "\n"
    }
    let questions = (0..<4).map { row("What is \($0) times two?", #"#### \#(2 * $0)"#) }
    try Data(questions.joined().utf8).write(to: folder.appending(path: "gsm8k.test.jsonl"))
    for golden in try GenerationGolden().drawn {
      let examples = (0..<golden.pool).map { n in
        row(
          "What is \(n) plus \(n * n)?", #"\#(n) + \#(n * n) = \#(n + n * n)\n#### \#(n + n * n)"#)
      }
      try Data(examples.joined().utf8).write(to: folder.appending(path: "gsm8k.train.jsonl"))
      let task = try LmEvalGolden.definition("gsm8k", shots: golden.shots)
      let prompts = try task.items(in: folder).map { $0.requests[0].context }
      #expect(prompts == golden.prompts, "\(golden.shots) of \(golden.pool)")
      #expect(Set(prompts).count == 4)
    }
  }

  @Test("a row without a target is refused with its line, and so is a broken one")
  func refused() throws {
    let folder = URL.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let good = #"{"context": "a b", "continuation": "c"}"# + "\n"
    let task = try LmEvalGolden.definition("lambada", shots: 0)
    for (bad, words) in [
      (#"{"context": "a b", "continuation": ""}"#, "its target is empty."),
      ("{\"context\": \"a b\"", "should be."),
    ] {
      try Data((good + bad + "\n").utf8)
        .write(to: folder.appending(path: "lambada_openai.test.jsonl"))
      #expect {
        try task.items(in: folder)
      } throws: { "\($0)".contains(".jsonl:2: ") && "\($0)".hasSuffix(words) }
      #expect(try task.items(in: folder, limit: 1).count == 1)
    }
  }

  @Test("a seed of examples is part of a task's identity, a word of how they are chosen is checked")
  func identity() throws {
    let url = shippedTasks.appending(path: "gsm8k.json")
    let text = try String(contentsOf: url, encoding: .utf8)
    func identity(_ text: String, shots: Int) throws -> JSONValue {
      try TaskDefinition(Data(text.utf8), from: url).withShots(shots)
        .identity(rows: "r", examples: "e")
    }
    let other = text.replacing("1234", with: "7")
    #expect(try identity(text, shots: 5) != identity(other, shots: 5))
    #expect(try identity(text, shots: 0) == identity(other, shots: 0))
    for wrong in [
      text.replacing("\"random\"", with: "\"any\""),
      text.replacing("\"random\"", with: "\"first\""),
    ] {
      #expect(throws: TaskError.self) { try TaskDefinition(Data(wrong.utf8), from: url) }
    }
  }
}

@Suite(
  "Generation equals lm-eval's on a trained model",
  .enabled(if: BenchmarkData.folder != nil, BenchmarkData.hint))
struct LmEvalRealGenerationTests {
  @Test("greedy answers of english-moe-20m to GSM8K and HumanEval are the same texts")
  func written() throws {
    let rows = try #require(BenchmarkData.benchmarks)
    try GenerationGolden().compare(
      "english-moe-20m", try #require(BenchmarkData.model), rows: rows)
  }
}
