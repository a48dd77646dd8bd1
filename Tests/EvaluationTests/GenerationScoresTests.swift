import Foundation
import JSON
import Testing

@testable import Evaluation

@Suite("Generated answers")
struct GenerationScoresTests {
  private static let tasks = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments/tasks")

  @Test("pass@k is the share of sets of k samples that hold one that passes")
  func passAtK() {
    for samples in 1...9 {
      for passed in 0...samples {
        for k in 1...samples {
          // Every set of k of the samples, the first `passed` of which pass.
          let sets = (0..<(1 << samples)).filter { $0.nonzeroBitCount == k }
          let share = Double(sets.count { $0 & ((1 << passed) - 1) != 0 }) / Double(sets.count)
          let estimate = PassAtK.unbiased(k, samples: samples, passed: passed)
          // A product of at most nine factors, each rounded.
          #expect(abs(estimate - share) < 1e-14, "\(k) of \(samples), \(passed) passed")
        }
      }
    }
    #expect(PassAtK.unbiased(100, samples: 200, passed: 1) == 0.5)
  }

  /// Made with lm-eval 0.4.13's `RegexFilter` and `exact_match_hf_evaluate`, see
  /// Golden/lm_eval_filters.py.
  private struct Golden: Decodable {
    var text: String
    var target: String
    var strict: String
    var flexible: String
    var strictMatch: Bool
    var flexibleMatch: Bool
  }

  @Test("numbers are found and compared as by lm-eval's filters")
  func filters() throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/lm-eval.filters.json")
    let golden = try JSONDecoder().decode([Golden].self, from: Data(contentsOf: url))
    #expect(golden.count >= 30)
    for item in golden {
      #expect(AnswerMatch.strict(item.text) == item.strict, "\(item.text)")
      #expect(AnswerMatch.flexible(item.text) == item.flexible, "\(item.text)")
      #expect(
        AnswerMatch.isExact(item.strict, target: item.target) == item.strictMatch, "\(item.text)")
      #expect(
        AnswerMatch.isExact(item.flexible, target: item.target) == item.flexibleMatch,
        "\(item.text)")
    }
  }

  private func humanEval() throws -> (TaskDefinition, [TaskItem]) {
    let task = try TaskDefinition.named("humaneval", in: Self.tasks)
    let rows = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Golden/rows")
    return (task, try task.items(in: rows))
  }

  @Test("solutions pass, others fail with their reason, and samples are counted")
  func programs() throws {
    let (task, items) = try humanEval()
    let item = try #require(items.first)
    let solution = try #require(item.solution)
    let scores = try GenerationScores(
      of: [[solution, "    return None\n", solution + "\nprint(undefined)\n", "    return ("]],
      task: task, items: [item], forwardTokens: 0, sandbox: try Sandbox())
    #expect(scores.answers[0].verdicts.map(\.isPassed) == [true, false, true, false])
    #expect(scores.answers[0].verdicts[1].reason?.hasPrefix("AssertionError") == true)
    // What stands behind "\nprint" is not the model's answer.
    #expect(scores.answers[0].texts[2] == String(solution))
    #expect(scores.value(.passAt1) == 0.5)
    #expect(abs(scores.chances(passingOf: 2)[0] - 5.0 / 6) < 1e-15)
    let lines = scores.lines(task: "humaneval")
    #expect(lines.count == 4)
    #expect(try JSONParser.parse(lines[1])["passed"] == .bool(false))
  }

  @Test("answers without programs are as many as items")
  func texts() throws {
    let task = try TaskDefinition.named("gsm8k", in: Self.tasks)
    let items = try task.items(in: LmEvalGolden.folder.appending(path: "rows"))
    let solutions = items.map { [$0.solution ?? ""] }
    let scores = try GenerationScores(
      of: solutions, task: task, items: items, forwardTokens: 0, sandbox: nil)
    #expect(items.count == 2 && scores.answers.map(\.texts) == solutions)
    #expect(scores.answers.allSatisfy { $0.verdicts.isEmpty })
    #expect(scores.value(.strictMatch) == 1 && scores.value(.flexibleMatch) == 1)
    #expect(TaskMetric.strictMatch.filtered(solutions[0][0]) == "18")
  }

  @Test("a generator is asked once a sample, and not at all without a sandbox")
  func writing() throws {
    let (task, items) = try humanEval()
    let first = Array(items.prefix(2))
    var asked: [Int] = []
    let generate: PromptWriter = { prompts, rule, sample in
      #expect(prompts == first.map { $0.requests[0].context })
      #expect(rule.maximumTokens == 1024)
      asked.append(sample)
      // The first sample of the first item alone is right.
      return (
        prompts.indices.map { sample == 0 && $0 == 0 ? first[$0].solution ?? "" : "    pass\n" }, 7
      )
    }
    let scores = try GenerationScores(
      writing: 2, task: task, items: first, sandbox: try Sandbox(), generate: generate)
    #expect(asked == [0, 1] && scores.forwardTokens == 14)
    #expect(scores.values(.passAt1) == [0.5, 0])
    #expect(scores.chances(passingOf: 2) == [1, 0])
    #expect(throws: TaskError.needsSandbox(task: "humaneval")) {
      try GenerationScores(
        writing: 1, task: task, items: first, sandbox: nil, generate: generate)
    }
    #expect(asked == [0, 1])
  }

  @Test("programs are not run without a sandbox")
  func refused() throws {
    let (task, items) = try humanEval()
    #expect(throws: TaskError.needsSandbox(task: "humaneval")) {
      try GenerationScores(
        of: [[""]], task: task, items: [items[0]], forwardTokens: 0, sandbox: nil)
    }
  }

  @Test("a text ends before the earliest stop, whichever stands first in the list")
  func stops() throws {
    let rule = TaskDefinition.GenerationRule(stops: ["\ndef", "\nclass", ""], maximumTokens: 8)
    #expect(rule.cut("a\nclass b\ndef c") == "a")
    #expect(rule.cut("a\ndef b\nclass c") == "a")
    #expect(rule.cut("a\r\ndef b") == "a\r")
    #expect(rule.cut("none") == "none")
  }
}

/// Official rows: skipped where `shared/data` is absent.
@Suite(
  "Real input: HumanEval's own solutions",
  .enabled(
    if: OfficialRows.areThere, "shared/data/benchmarks/humaneval.test.jsonl.gz is absent"))
struct RealHumanEval {
  @Test("164 of 164 pass")
  func canonical() throws {
    let tasks = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "experiments/tasks")
    let task = try TaskDefinition.named("humaneval", in: tasks)
    let scores = try GenerationScores(
      ofSolutions: task, items: try task.items(in: OfficialRows.folder), sandbox: try Sandbox())
    let failed = zip(scores.items, scores.answers).filter { !$1.verdicts[0].isPassed }
      .map { "\($0.id): \($1.verdicts[0].reason ?? "")" }
    #expect(failed.isEmpty, "\(failed)")
    #expect(scores.items.count == 164)
    #expect(scores.value(.passAt1) == 1)
  }
}

private enum OfficialRows {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "../shared/data/benchmarks").standardizedFileURL

  static let areThere = FileManager.default.fileExists(
    atPath: folder.appending(path: "humaneval.test.jsonl.gz").path)
}
