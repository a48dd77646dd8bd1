import Evaluation
import Foundation
import MoEModels
import Testing

/// The largest differences seen, to be printed.
private struct Agreement {
  var requests = 0
  var largest = 0.0
  var greedyDiffers = 0

  /// Expects identical accuracies of every item, and log-likelihoods within the tolerance.
  mutating func compare(
    _ scores: TaskScores, _ golden: LmEvalGolden.Task, tolerance: Double, task: String
  ) {
    for (item, expected) in zip(scores.answers, golden.items) {
      let differences = zip(item.logLikelihoods, expected.logLikelihoods ?? []).map { abs($0 - $1) }
      #expect(differences.count == item.logLikelihoods.count)
      #expect(differences.allSatisfy { $0 < tolerance }, "\(task), row \(expected.row)")
      requests += differences.count
      largest = max(largest, differences.max() ?? 0)
      greedyDiffers += zip(item.isGreedy, expected.greedy ?? []).count { $0 != $1 }
    }
    for metric in golden.metrics.keys.sorted() {
      guard let known = TaskMetric(rawValue: metric) else {
        Issue.record("\(metric) is unknown")
        continue
      }
      #expect(
        scores.values(known) == golden.items.map { $0.metrics?[metric] ?? .nan }
          || known == .perplexity, "\(task): \(metric)")
      let value = scores.value(known)
      // Log of perplexity is the mean of log-likelihoods, each within the tolerance.
      let isSame =
        known == .perplexity
        ? abs(log(value / (golden.metrics[metric] ?? 0))) < tolerance
        : abs(value - (golden.metrics[metric] ?? .nan)) < 1e-12
      #expect(isSame, "\(task): \(metric) \(value)")
    }
  }
}

@Suite("Tasks equal lm-eval 0.4.13")
struct LmEvalAgreementTests {
  private static let golden = Result { try LmEvalGolden(model: "reference-model") }
  private let rows = LmEvalGolden.folder.appending(path: "rows")

  @Test("prompts and continuations are the same texts")
  func prompts() throws {
    for (name, golden) in try Self.golden.get().tasks.sorted(by: { $0.key < $1.key }) {
      let items = try LmEvalGolden.definition(name, shots: golden.shots).items(in: rows)
      #expect(items.count == golden.rows)
      for expected in golden.items {
        let ours = items[expected.row].requests.map { [$0.context, $0.continuation] }
        // Byte by byte: `==` of texts holds for other bytes too.
        #expect(
          ours.map { $0.map { Array($0.utf8) } }
            == expected.requests?.map { $0.map { Array($0.utf8) } }, "\(name) \(expected.row)")
      }
      #expect(Checksum.requests(of: items) == golden.crc32, "\(name)")
    }
  }

  @Test("log-likelihoods on the reference model within 1e-3, accuracies identical")
  func scores() throws {
    let model = try ModelFolder(experiments.appending(path: "reference-model"))
    let tokenizer = try model.tokenizer()
    var agreement = Agreement()
    var truncated: [String: Int] = [:]
    for (name, golden) in try Self.golden.get().tasks.sorted(by: { $0.key < $1.key }) {
      let task = try LmEvalGolden.definition(name, shots: golden.shots)
      guard task.kind != .generation else { continue }
      let items = try task.items(in: rows)
      let scores = try TaskScores(
        of: model.weights, task: task, items: golden.items.map { items[$0.row] },
        tokenizer: tokenizer, precision: .f32)
      agreement.compare(scores, golden, tolerance: 1e-3, task: name)
      truncated[name] = scores.truncatedRequests
      let groups = scores.groups(.accuracy)
      #expect(Set(groups.map(\.name)) == Set((golden.subjects ?? [:]).keys))
      for group in groups { #expect(golden.subjects?[group.name] == group.value) }
    }
    print("\(agreement.requests) requests, largest difference \(agreement.largest)")
    #expect(agreement.greedyDiffers == 0)
    // The reference model has 512 positions, of which these passages need more.
    #expect(try #require(truncated["boolq"]) > 0)
  }

  @Test("the domains of the reference model have the accuracies that they had, item by item")
  func domains() throws {
    let model = try ModelFolder(experiments.appending(path: "reference-model"))
    let tokenizer = try model.tokenizer()
    for (domain, accuracy) in [
      ("arithmetic", 0.9083), ("reversal", 0.8667), ("stories", 0.8), ("programs", 0.775),
    ] {
      let task = try TaskDefinition.named("reference-\(domain)", in: shippedTasks)
      let items = try task.items(in: rows)
      let ours = try TaskScores(
        of: model.weights, task: task, items: items, tokenizer: tokenizer, precision: .f32)
      let old = try ChoiceItem.load(
        experiments.appending(path: "reference-model/items/\(domain).jsonl"))
      let expected = try MultipleChoice(
        of: model.weights, items: old, tokenizer: tokenizer, precision: .f32)
      // Contexts computed once are summed in another order; the old protocol keeps its bits.
      let differences = zip(ours.answers.map(\.logLikelihoods), expected.scores).flatMap {
        zip($0, $1).map { abs($0 - $1) }
      }
      #expect(differences.count == 480 && differences.allSatisfy { $0 < 1e-4 })
      #expect(ours.values(.accuracy) == expected.correct.map { $0 ? 1 : 0 })
      #expect(ours.forwardTokens < expected.forwardTokens)
      #expect(items.map(\.id) == old.map(\.id))
      // What the reference model's README says, to four digits.
      #expect(abs(ours.value(.accuracy) - accuracy) < 1e-4)
    }
  }
}

@Suite(
  "Tasks equal lm-eval on a trained model (a minute)",
  .enabled(if: BenchmarkData.folder != nil, BenchmarkData.hint))
struct LmEvalRealDataTests {
  @Test("prompts of every row of every benchmark are the same")
  func prompts() throws {
    let folder = try #require(BenchmarkData.benchmarks)
    for (name, golden) in try LmEvalGolden(model: "english-moe-20m").tasks {
      let items = try LmEvalGolden.definition(name, shots: golden.shots).items(in: folder)
      #expect(items.count == golden.rows, "\(name)")
      #expect(Checksum.requests(of: items) == golden.crc32, "\(name)")
    }
  }

  @Test("log-likelihoods on english-moe-20m within 1e-3, accuracies identical")
  func scores() throws {
    let folder = try #require(BenchmarkData.benchmarks)
    let model = try ModelFolder(try #require(BenchmarkData.model))
    let tokenizer = try model.tokenizer()
    for (name, golden) in try LmEvalGolden(model: "english-moe-20m").tasks
      .sorted(by: { $0.key < $1.key })
    {
      let task = try LmEvalGolden.definition(name, shots: golden.shots)
      guard task.kind != .generation else { continue }
      let items = try task.items(in: folder)
      let scores = try TaskScores(
        of: model.weights, task: task, items: golden.items.map { items[$0.row] },
        tokenizer: tokenizer, precision: .f32)
      var agreement = Agreement()
      agreement.compare(scores, golden, tolerance: 1e-3, task: name)
      print(
        name, scores.items.count, "items", agreement.requests, "requests, largest difference",
        agreement.largest, "greedy differs", agreement.greedyDiffers, "truncated",
        scores.truncatedRequests)
    }
  }
}
