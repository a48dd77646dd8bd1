import Evaluation
import Foundation
import JSON
import MoEModels
import Testing

@Suite("Scores of tasks")
struct TaskScoresTests {
  private func task(_ changes: [String: JSONValue]) throws -> TaskDefinition {
    let plain: JSONValue = [
      "schemaVersion": 1, "name": "t", "version": 1,
      "source": ["rows": "t.jsonl", "origin": "texts"], "delimiter": "",
    ]
    var document = plain.objectValue ?? JSONObject()
    for (key, value) in changes { document[key] = value }
    return try TaskDefinition(
      CanonicalJSON.data(.object(document)), from: URL(filePath: "/tasks/t.json"))
  }

  private func continuation(_ metrics: JSONValue) throws -> TaskDefinition {
    try task([
      "kind": "continuation", "prompt": "{{c}}", "target": "{{t}}", "metrics": metrics,
    ])
  }

  private func scores(
    _ model: TinyMixtral, _ task: TaskDefinition, _ rows: String...
  ) throws -> TaskScores {
    let url = try model.write("\(UUID()).jsonl", rows.joined(separator: "\n"))
    let items = try task.items(of: TaskRow.load(url), examples: [])
    return try TaskScores(
      of: model.checkpoint, task: task, items: items, tokenizer: model.tokenizer, precision: .f32)
  }

  @Test("greedy means that every token is the likeliest in its place")
  func greedy() throws {
    let model = try TinyMixtral()
    let tokens = model.tokenizer.encode("abc")
    // Of the ids whose token is one ASCII character, those after the last token.
    let logits = Array(try model.logits(of: tokens).suffix(160))
    let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
    let second = try #require((0..<94).filter { $0 != best }.max { logits[$0] < logits[$1] })
    let other = try #require(model.tokenizer.token(Int32(second)))
    let row = String(decoding: try JSONEncoder().encode(["c": "abc", "t": other]), as: UTF8.self)
    let ours = try scores(model, continuation(["acc", "perplexity"]), row)
    #expect(ours.answers[0].isGreedy == [false] && ours.value(.accuracy) == 0)
    // One item: perplexity is 1 / p.
    #expect(abs(log(ours.value(.perplexity)) + ours.answers[0].logLikelihoods[0]) < 1e-12)
  }

  @Test("accuracies by characters and by bytes divide by different lengths")
  func lengths() throws {
    let model = try TinyMixtral()
    let choices = ["xyz", "ééé"]
    let task = try task([
      "kind": "multiple-choice", "prompt": "Q", "choices": .array(choices.map { JSONValue($0) }),
      "answer": ["field": "y"], "metrics": ["acc", "acc_norm", "acc_bytes"],
    ])
    let ours = try scores(model, task, #"{"y": 0}"#)
    let sums = ours.answers[0].logLikelihoods
    // Every byte is a token of about the same probability, so by characters the first is better.
    #expect(ours.value(.accuracyByCharacters) == 1)
    let perByte = zip(sums, choices).map { $0 / Double($1.utf8.count) }
    #expect(ours.value(.accuracyByBytes) == (perByte[0] >= perByte[1] ? 1 : 0))
  }

  @Test("the best is the first of equals, and none among what is not a number")
  func best() {
    #expect(TaskScores.Answer.best([-1, -1]) == 0)
    #expect(TaskScores.Answer.best([-1, .nan]) == nil)
  }

  @Test("a context that is too long loses its beginning, and this is counted")
  func truncation() throws {
    let model = try TinyMixtral()
    let limit = model.checkpoint.configuration.maximumPositions
    let long = String(repeating: "x!", count: limit)
    let ours = try scores(
      model, continuation(["acc"]), #"{"c": "\#(long)", "t": "y"}"#, #"{"c": "a", "t": "y"}"#)
    #expect(ours.truncatedRequests == 1)
    #expect(ours.forwardTokens == limit + 1)
    let error = #expect(throws: TaskError.self) {
      try scores(model, continuation(["acc"]), #"{"c": "a", "t": "\#(long)"}"#)
    }
    #expect("\(try #require(error))".contains("more than the model's \(limit) positions"))
  }

  @Test("what requests begin with goes through the model once, and scores stay")
  func sharedPrefixes() throws {
    let model = try TinyMixtral()
    let choices: JSONValue = ["abc!", "the", "x", "the abc"]
    let task = try task([
      "kind": "multiple-choice", "prompt": "{{c}}", "choices": choices,
      "answer": ["field": "y"], "metrics": ["acc"],
    ])
    let ours = try scores(
      model, task, #"{"c": "Question one:", "y": 0}"#, #"{"c": "Question two:", "y": 0}"#,
      #"{"c": "Other", "y": 0}"#)
    for (item, answer) in zip(ours.items, ours.answers) {
      for (request, score) in zip(item.requests, answer.logLikelihoods) {
        let tokens = model.tokenizer.encode(request.context + request.continuation)
        let given = model.tokenizer.encode(request.context).count
        let logits = try model.logits(of: tokens)
        let expected = (given..<tokens.count).reduce(0.0) {
          $0 - model.loss(logits, position: $1 - 1, token: tokens[$1])
        }
        // Other row counts are summed in another order; exponentials are f32 (1e-6 a token).
        #expect(abs(score - expected) < 1e-4, "\(request)")
      }
    }
    let apart = ours.items.flatMap(\.requests).reduce(0) {
      $0 + model.tokenizer.encode($1.context + $1.continuation).count - 1
    }
    #expect(ours.forwardTokens < apart / 2)
  }

  @Test("groups have values of their own; micro counts items alike, macro groups")
  func groups() throws {
    let model = try TinyMixtral()
    let task = try task([
      "kind": "multiple-choice", "prompt": "Q", "group": "g", "choices": ["a", "b"],
      "answer": ["field": "y"], "metrics": ["acc"],
    ])
    let rows = [("m", 0), ("m", 1), ("n", 0), ("m", 0)].map { #"{"g": "\#($0)", "y": \#($1)}"# }
    let ours = try scores(model, task, rows[0], rows[1], rows[2], rows[3])
    let best = try #require(TaskScores.Answer.best(ours.answers[0].logLikelihoods))
    let (m, n) = best == 0 ? (2.0 / 3, 1.0) : (1.0 / 3, 0.0)
    #expect(ours.groups(.accuracy).map(\.name) == ["m", "n"])
    #expect(ours.groups(.accuracy).map(\.items) == [3, 1])
    #expect(ours.groups(.accuracy).map(\.value) == [m, n])
    #expect(ours.value(.accuracy) == (best == 0 ? 0.75 : 0.25))
    #expect(ours.macroAverage(.accuracy) == (m + n) / 2)
    // Four items, two distinct requests, one sequence.
    #expect(ours.forwardTokens == 1)
  }

  @Test("generation is refused by name")
  func generation() throws {
    let model = try TinyMixtral()
    let task = try task([
      "kind": "generation", "prompt": "{{c}}", "metrics": ["pass@1"],
      "generation": ["stops": ["\n"], "maximumTokens": 8],
    ])
    #expect(throws: TaskError.needsGeneration(task: "t")) {
      try scores(model, task, #"{"c": "a"}"#)
    }
  }
}
