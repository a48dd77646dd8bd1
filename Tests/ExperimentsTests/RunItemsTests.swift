import Foundation
import JSON
import Testing

@testable import Experiments

@Suite("Items of runs")
struct RunItemsTests {
  private static let experiments = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "experiments")

  /// Two runs of the reference model over parts of two texts and a few questions of every kind.
  private func withRuns(_ body: (Workspace, [RunResult]) throws -> Void) throws {
    let bench = try Bench()
    defer { bench.remove() }
    for name in ["stories", "reversal"] {
      let text = try Data(
        contentsOf: Self.experiments.appending(path: "reference-model/text/test.\(name).txt"))
      try text.prefix(3000).write(to: bench.root.appending(path: "\(name).txt"))
    }
    let rows = Self.experiments.appending(path: "../Tests/EvaluationTests/Golden/rows")
      .standardizedFileURL.path
    let texts = ["stories", "reversal"].map { "\"\($0)\": \"\(bench.root.path)/\($0).txt\"" }
      .joined(separator: ", ")
    func task(_ name: String, _ more: String = "") -> String {
      #""\#(name)": {"definition": "tasks/\#(name).json", "rows": "\#(rows)"\#(more)}"#
    }
    let spec = """
      {"schemaVersion": 1, "name": "items", "base": {
        "model": {"path": "reference-model"}, "compute": "f32",
        "calibration": {"corpus": "reference-model/calibration.mixed.txt"},
        "quantizer": {"method": "rtn", "groupSize": 64},
        "allocation": {"allocator": "uniform", "levels": [2, 4]},
        "budget": {"attention": 4, "experts": 2},
        "evaluation": {
          "perplexity": {"corpora": {\(texts)}, "context": 128},
          "divergence": {"corpora": {\(texts)}, "context": 128},
          "tasks": {
            "programs": "reference-model/items/programs.jsonl",
            \(task("mmlu", ", \"groups\": true")), \(task("lambada")), \(task("piqa")),
            \(task("gsm8k", ", \"maximumTokens\": 8"))}}},
       "axes": {"bits": {"path": "budget.experts", "values": [2, 4]}}}
      """
    _ = try Engine(workspace: bench.workspace, pipeline: ModelPipeline()).run(
      try ExperimentSpec(document: try JSONParser.parse(spec), folder: Self.experiments)
    ) { _ in }
    let results = try bench.workspace.allRuns().compactMap { $0.result() }
    try #require(results.count == 2)
    try body(bench.workspace, results)
  }

  @Test("every metric with items is what its items give", .timeLimit(.minutes(3)))
  func values() throws {
    try withRuns { workspace, results in
      let items = try RunItems(results[0], in: workspace)
      var found: Set<String> = []
      for metric in results[0].outcome.metrics {
        let definition = metric.definition
        guard let mine = try items.items(of: definition) else { continue }
        found.insert("\(definition.name), \(definition.scope)")
        let sum = mine.values.reduce(0, +)
        let mean = sum / (mine.weights?.reduce(0, +) ?? Double(mine.values.count))
        let value = mine.form == .exponential ? exp(mean) : mean
        // Bytes of windows are whole numbers, divergences of tokens are stored in single precision.
        #expect(
          abs(value - (metric.value ?? .nan)) <= 1e-6 * max(1, abs(value)), "\(definition)")
        #expect(mine.names?.count == mine.values.count, "\(definition)")
        #expect(mine.hashes?.count == mine.values.count, "\(definition)")
      }
      #expect(
        found.isSuperset(of: [
          "perplexity, all", "bits-per-byte, stories", "accuracy, programs", "acc, piqa",
          "acc, mmlu", "acc, mmlu, mean of groups", "acc, mmlu, anatomy", "perplexity, lambada",
          "exact_match,strict-match, gsm8k", "kl-mean, all", "kl-mean, reversal",
          "top1-agreement, all", "delta-p-mean, stories", "route-same-tokens, all",
        ]), "\(found)")
      // A quantile is no mean, and a floor has one run behind it.
      #expect(found.allSatisfy { !$0.hasPrefix("kl-p90") && !$0.contains("noise-floor") })
    }
  }

  @Test("runs are paired in their divergences too, windows by text", .timeLimit(.minutes(3)))
  func comparison() throws {
    try withRuns { workspace, results in
      let (candidate, baseline) = (
        try RunGroup([results[0]], in: workspace), try RunGroup([results[1]], in: workspace)
      )
      let shared = try candidate.definitions(sharedWith: baseline, named: ["kl-mean"])
      let definition = try #require(shared.first { $0.scope == "all" })
      let comparison = try #require(
        try candidate.comparison(of: definition, with: baseline, options: ComparisonOptions()))
      #expect(comparison.test == .bootstrap && comparison.noun == "windows")
      #expect(comparison.unit == "nats/token" && comparison.items > 4)
      let values = [results[0], results[1]].map { result in
        result.outcome.metrics.first { $0.definition == definition }?.value ?? .nan
      }
      #expect(abs(comparison.difference.value - (values[0] - values[1])) < 1e-6)
      // Two bits and four: the whole interval is on one side.
      #expect(comparison.difference.lower * comparison.difference.upper > 0)
      let changes = try candidate.changes(of: definition, from: baseline, limit: 2)
      #expect(
        changes.allSatisfy { $0.item.hasPrefix("stories 0/") || $0.item.hasPrefix("reversal 0/") })
    }
  }
}
