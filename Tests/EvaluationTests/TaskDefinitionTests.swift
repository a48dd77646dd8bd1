import Evaluation
import Foundation
import JSON
import Testing

/// A definition of two choices with members replaced; null counts as absent.
private func definition(_ changes: [String: JSONValue] = [:]) throws -> TaskDefinition {
  let plain: JSONValue = [
    "schemaVersion": 1, "name": "t", "version": 1, "kind": "multiple-choice",
    "source": ["rows": "t.jsonl", "origin": "questions"], "prompt": "Q: {{q}}\nA:",
    "choices": ["{{a}}", "{{b.0|strip}}"], "answer": ["field": "y"], "metrics": ["acc"],
  ]
  var document = plain.objectValue ?? JSONObject()
  for (key, value) in changes { document[key] = value }
  return try TaskDefinition(
    CanonicalJSON.data(.object(document)), from: URL(filePath: "/tasks/t.json"))
}

private func rows(_ lines: String...) throws -> [TaskRow] {
  let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).jsonl")
  defer { try? FileManager.default.removeItem(at: url) }
  try Data(lines.joined(separator: "\n").utf8).write(to: url)
  return try TaskRow.load(url)
}

@Suite("Definitions of tasks")
struct TaskDefinitionTests {
  @Test("every shipped definition reads, and is named after its file")
  func shipped() throws {
    let names = TaskDefinition.names(in: shippedTasks)
    #expect(names.count == 16)
    for name in names {
      #expect(try TaskDefinition.named(name, in: shippedTasks).name == name)
    }
  }

  @Test("an unknown name is answered with the nearest one")
  func unknownTask() throws {
    let error = #expect(throws: TaskError.self) {
      try TaskDefinition.named("helaswag", in: shippedTasks)
    }
    #expect("\(try #require(error))".contains("Did you mean 'hellaswag'?"))
  }

  @Test(
    "what is wrong is refused with its place",
    arguments: [
      (["promt": "x"], "/promt", "did you mean \"prompt\"?"),
      (["source": ["rows": "a", "orgin": "b"]], "/source/orgin", "did you mean \"origin\"?"),
      (["kind": "multiple-choise"], "/kind", "did you mean \"multiple-choice\"?"),
      (["prompt": "{{q|stripp}}"], "/prompt", "did you mean \"strip\"?"),
      (["prompt": "{{q"], "/prompt", "no \"}}\" closes"),
      (["prompt": "{{ q }}"], "/prompt", "is no field"),
      (["prompt": .null], "at /", "\"prompt\" is missing"),
      (["metrics": ["perplexity"]], "/metrics", "is no metric of multiple-choice tasks"),
      (["metrics": []], "/metrics", "name at least one"),
      (["target": "{{q}}"], "/target", "does not read it"),
      (["choices": ["{{a}}"]], "/choices", "at least 2"),
      (["answer": ["field": "y", "from": -1]], "/answer/from", "0 or more"),
      (["answer": ["field": "y", "from": 1, "labels": "l"]], "/answer/from", "not counted"),
      (["schemaVersion": 2], "/schemaVersion", "reads version 1"),
      (["version": "1"], "/version", "not a whole number"),
    ] as [([String: JSONValue], String, String)])
  func refused(changes: [String: JSONValue], place: String, words: String) throws {
    let error = #expect(throws: TaskError.self) { try definition(changes) }
    let text = "\(try #require(error))"
    #expect(text.hasPrefix("/tasks/t.json") && text.contains(place), "\(text)")
    #expect(text.contains(words), "\(text)")
  }

  @Test("what decides the numbers decides the identity, words of explanation do not")
  func identity() throws {
    let plain = try definition().identity(rows: "d", examples: nil)
    let explained = try definition(["note": "n", "equals": "e"])
    #expect(explained.identity(rows: "d", examples: nil) == plain)
    let renamed: JSONValue = ["rows": "other.jsonl", "origin": "elsewhere"]
    #expect(try definition(["source": renamed]).identity(rows: "d", examples: "x") == plain)
    #expect(try definition().identity(rows: "e", examples: nil) != plain)
    #expect(try definition(["version": 2]).identity(rows: "d", examples: nil) != plain)
    #expect(try definition(["prompt": "{{q}}"]).identity(rows: "d", examples: nil) != plain)
  }

  @Test("the number of examples is part of the identity, and so are the examples")
  func shots() throws {
    let rule: JSONValue = ["rows": "e.jsonl", "count": 0]
    let task = try definition(["fewShot": rule])
    let none = task.identity(rows: "d", examples: "e")
    #expect(none == (try definition().identity(rows: "d", examples: nil)))
    let two = try task.withShots(2)
    #expect(two.shots == 2 && two.identity(rows: "d", examples: "e") != none)
    #expect(two.identity(rows: "d", examples: "f") != two.identity(rows: "d", examples: "e"))
    #expect(throws: TaskError.noExamples(task: "t")) { try definition().withShots(2) }
  }
}

@Suite("Items of rows")
struct TaskItemTests {
  private let row = #"{"q": "two?", "a": "x", "b": [" y "], "y": 1}"#

  @Test("templates take fields, elements and transformations; the delimiter joins")
  func item() throws {
    let item = try definition().items(of: rows(row), examples: [])[0]
    #expect(item.requests.map(\.context) == ["Q: two?\nA:", "Q: two?\nA:"])
    #expect(item.requests.map(\.continuation) == [" x", " y"])
    #expect(item.choices == ["x", "y"] && item.answer == 1 && item.id == "0")
  }

  @Test(
    "an index may be a number, digits, or a truth value, counted from where the task says",
    arguments: [("1", 0, 1), ("\"1\"", 0, 1), ("true", 0, 1), ("false", 0, 0), ("\"2\"", 1, 1)])
  func answers(written: String, base: Int, expected: Int) throws {
    let task = try definition(["answer": ["field": "y", "from": JSONValue(base)]])
    let row = #"{"q": "", "a": "x", "b": ["y"], "y": \#(written)}"#
    #expect(try task.items(of: rows(row), examples: [])[0].answer == expected)
  }

  @Test("examples are the first of the item's group, each with its answer")
  func examples() throws {
    let task = try definition([
      "group": "g", "description": "About {{g}}.\n",
      "fewShot": ["rows": "e.jsonl", "count": 1, "separator": "\n"],
    ])
    let question = #"{"g": "m", "q": "?", "a": "x", "b": ["y"], "y": 0}"#
    let solved = try rows(
      #"{"g": "n", "q": "1", "a": "x", "b": ["y"], "y": 0}"#,
      #"{"g": "m", "q": "2", "a": "x", "b": ["y"], "y": 1}"#)
    let item = try task.items(of: rows(question), examples: solved)[0]
    #expect(item.requests[0].context == "About m.\nQ: 2\nA: y\nQ: ?\nA:")
    let error = #expect(throws: TaskError.self) {
      try task.withShots(2).items(of: rows(question), examples: solved)
    }
    #expect("\(try #require(error))".contains("2 examples of 'm' are asked for, the file has 1"))
  }

  @Test(
    "a bad row is refused with file and line",
    arguments: [
      (#"{"q": "?""#, "column"), ("[1]", "it is an array"),
      (#"{"q": "?", "a": "x", "b": [], "y": 0}"#, "no field \"b.0\""),
      (#"{"q": "?", "a": "x", "y": 0}"#, "it has q, a, y"),
      (#"{"q": "?", "a": ["x"], "b": ["y"], "y": 0}"#, "not a text"),
      (#"{"q": "?", "a": "", "b": ["y"], "y": 0}"#, "none empty"),
      (#"{"q": "?", "a": "x", "b": ["y"], "y": 2}"#, "none of its 2 choices"),
      (#"{"q": "?", "a": "x", "b": ["y"], "y": "A"}"#, "not an index"),
      (#"{"q": "?", "a": "x", "b": ["y"], "y": 0.5}"#, "not a text"),
    ])
  func badRow(bad: String, words: String) throws {
    let error = #expect(throws: TaskError.self) {
      try definition().items(of: rows(row, "", bad), examples: [])
    }
    let text = "\(try #require(error))"
    #expect(text.contains(".jsonl:3: ") && text.contains(words), "\(text)")
  }

  @Test("two items of one name are refused")
  func duplicate() throws {
    let error = #expect(throws: TaskError.self) {
      try definition(["item": "{{q}}"]).items(of: rows(row, row), examples: [])
    }
    #expect("\(try #require(error))".contains("stands in line 1 too"))
  }

  @Test("missing rows are described")
  func missing() throws {
    let error = #expect(throws: TaskError.self) {
      try definition().items(in: URL(filePath: "/nowhere"))
    }
    #expect("\(try #require(error))".contains("/nowhere/t.jsonl. It holds questions"))
  }
}
