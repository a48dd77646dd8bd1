import Evaluation
import Foundation
import Testing

@Suite("Multiple choice by log-likelihood")
struct MultipleChoiceTests {
  private func item(
    _ model: TinyMixtral, context: String, choices: [String], answer: Int = 0
  ) throws -> ChoiceItem {
    let row = try JSONSerialization.data(withJSONObject: [
      "id": "x", "context": context, "choices": choices, "answer": answer,
    ])
    let url = try model.write("\(UUID()).jsonl", String(decoding: row, as: UTF8.self))
    return try ChoiceItem.load(url)[0]
  }

  private func evaluate(_ model: TinyMixtral, _ items: [ChoiceItem]) throws -> MultipleChoice {
    try MultipleChoice(
      of: model.checkpoint, items: items, tokenizer: model.tokenizer, precision: .f32)
  }

  /// Σ log p of the tokens behind the first `given`, from the logits of the whole text alone.
  private func score(_ model: TinyMixtral, _ text: String, given: Int) throws -> Double {
    let tokens = model.tokenizer.encode(text)
    let logits = try model.logits(of: tokens)
    return (given..<tokens.count).reduce(0.0) {
      $0 - model.loss(logits, position: $1 - 1, token: tokens[$1])
    }
  }

  @Test("a score is Σ log p of the choice's tokens after the context")
  func scores() throws {
    let model = try TinyMixtral()
    let choices = [" the", " abc", " x abab", "!"]
    let ours = try evaluate(model, [try item(model, context: "Is it", choices: choices)])
    for (choice, ours) in zip(choices, ours.scores[0]) {
      // "Is it" has five characters, each a token.
      let expected = try score(model, "Is it\(choice)", given: 5)
      // Other row counts are summed in another order; exponentials are f32 (1e-6 a token).
      #expect(abs(ours - expected) < 1e-4, "'\(choice)'")
    }
  }

  @Test("white space at the end of the context counts to the choice")
  func trailingSpace() throws {
    let model = try TinyMixtral()
    let spaced = try evaluate(
      model, [try item(model, context: "Is it ", choices: ["x", "the"])])
    // " the" is one token, which no split behind the space would find.
    #expect(abs(spaced.scores[0][0] - (try score(model, "Is it x", given: 5))) < 1e-4)
    #expect(abs(spaced.scores[0][1] - (try score(model, "Is it the", given: 5))) < 1e-4)
  }

  @Test("the largest score wins, and only the right index counts")
  func accuracy() throws {
    let model = try TinyMixtral()
    let choices = ["a", "b", "c", "d"]
    let scores = try evaluate(model, [try item(model, context: "Q", choices: choices)]).scores[0]
    let best = try #require(scores.firstIndex(of: scores.max() ?? 0))
    let items = try choices.indices.map {
      try item(model, context: "Q", choices: choices, answer: $0)
    }
    let all = try evaluate(model, items)
    #expect(all.correct == choices.indices.map { $0 == best })
    #expect(all.accuracy == 0.25)
    #expect(all.scores == [[Double]](repeating: scores, count: 4))
  }

  @Test("ties go to the first")
  func ties() throws {
    let model = try TinyMixtral()
    let items = try (0..<2).map {
      try item(model, context: "Q", choices: ["a", "a"], answer: $0)
    }
    let ours = try evaluate(model, items)
    #expect(ours.scores[0][0] == ours.scores[0][1])
    #expect(ours.correct == [true, false])
  }

  @Test("choices of one token share one pass over their context, equal requests too")
  func sharedSequences() throws {
    let model = try TinyMixtral()
    let letters = try item(model, context: "Answer:", choices: ["A", "B", "C", "D"])
    #expect(try evaluate(model, [letters]).forwardTokens == 7)
    #expect(try evaluate(model, [letters, letters]).forwardTokens == 7)
    // "xy" goes with its first token behind the context, beside the context of "A".
    let longer = try item(model, context: "Answer:", choices: ["A", "xy"])
    #expect(try evaluate(model, [letters, longer]).forwardTokens == 7 + 8)
  }

  @Test("a choice without tokens of its own, or an empty context, is refused by name")
  func nothingToScore() throws {
    let model = try TinyMixtral()
    for (context, choice) in [("", "a"), ("  ", "a")] {
      let bad = try item(model, context: context, choices: [choice, "bb"])
      if context.isEmpty {
        #expect(throws: TaskError.nothingToScore(item: "x", choice: choice)) {
          try evaluate(model, [bad])
        }
      } else {
        #expect(throws: TaskError.self) { try evaluate(model, [bad]) }
      }
    }
  }
}

@Suite("Files of questions")
struct ChoiceItemTests {
  private let good = #"{"id": "1", "context": "c", "choices": ["a", "b"], "answer": 1}"#

  @Test("one object a line, empty lines between")
  func load() throws {
    let model = try TinyMixtral()
    let items = try ChoiceItem.load(model.write("a.jsonl", "\(good)\n\n \n\(good)\r\n"))
    #expect(items.count == 2)
    #expect(items[1].choices == ["a", "b"] && items[1].answer == 1)
  }

  @Test(
    "a bad row is refused with file and line",
    arguments: [
      "{", "[]", #"{"id": "1", "context": "c", "choices": ["a", "b"]}"#,
      #"{"id": "1", "context": "c", "choices": ["a", "b"], "answer": 2}"#,
      #"{"id": "1", "context": "c", "choices": ["a", "b"], "answer": -1}"#,
      #"{"id": "1", "context": "c", "choices": ["a", ""], "answer": 0}"#,
      #"{"id": "1", "context": "c", "choices": ["a"], "answer": 0}"#,
    ])
  func badRow(row: String) throws {
    let model = try TinyMixtral()
    let url = try model.write("a.jsonl", "\(good)\n\n\(row)\n\(good)\n")
    let error = #expect(throws: TaskError.self) { try ChoiceItem.load(url) }
    let message = "\(try #require(error))"
    #expect(message.hasPrefix("\(url.path):3: not an item"))
    #expect(!message.contains("..") && !message.contains("DecodingError"))
  }

  @Test("a byte order mark is no part of the first row")
  func mark() throws {
    let model = try TinyMixtral()
    #expect(try ChoiceItem.load(model.write("a.jsonl", "\u{FEFF}\(good)\n")).count == 1)
    #expect(try TaskRow.load(model.write("b.jsonl", "\u{FEFF}\(good)\n")).count == 1)
  }

  @Test("a file of empty lines holds no items")
  func noItems() throws {
    let model = try TinyMixtral()
    let url = try model.write("a.jsonl", "\n  \n")
    #expect(throws: TaskError.noItems(path: url.path)) { try ChoiceItem.load(url) }
  }
}
