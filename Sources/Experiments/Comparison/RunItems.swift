import Foundation
import HDF5
import JSON

/// The per-item values of a finished run, as its `evaluate` stage left them.
public struct RunItems: Sendable {
  public let run: String
  private let metrics: [Metric]
  private let file: HDF5Reader

  /// Opens the items of a run.
  ///
  /// - Parameters:
  ///   - result: The run's result, which names the artifact.
  ///   - workspace: Where the artifact lies.
  /// - Throws: ``ComparisonError/noItems(run:reason:)``.
  public init(_ result: RunResult, in workspace: Workspace) throws(ComparisonError) {
    guard let stage = result.stages.first(where: { $0.name == EvaluateStage.name }) else {
      throw .noItems(run: result.run, reason: "it has no stage \(EvaluateStage.name)")
    }
    let store = ArtifactStore(root: workspace.artifacts)
    switch store.lookup(stage: stage.name, key: stage.key) {
    case .missing:
      throw .noItems(run: result.run, reason: "artifact \(stage.key.prefix(12)) is gone")
    case .damaged(let reason):
      throw .noItems(run: result.run, reason: "artifact \(stage.key.prefix(12)): \(reason)")
    case .intact(let artifact):
      do { file = try HDF5Reader(artifact.url.appending(path: StageFile.items)) } catch {
        throw .noItems(run: result.run, reason: "\(error)")
      }
    }
    run = result.run
    metrics = result.outcome.metrics
  }

  /// The items of a metric; nil if it keeps none.
  ///
  /// - Parameter definition: One of the run's metrics.
  /// - Returns: In the order of the file.
  /// - Throws: ``ComparisonError/noItems(run:reason:)`` for a file that cannot be read.
  public func items(of definition: MetricDefinition) throws(ComparisonError) -> MetricItems? {
    do {
      switch definition.name {
      case "accuracy": return try outcomes(definition.scope)
      case "perplexity": return try losses(definition, form: .exponential)
      case "word-perplexity": return try losses(definition, form: .exponential)
      case "bits-per-byte": return try losses(definition, form: .mean)
      default: return try taskItems(definition)
      }
    } catch { throw .noItems(run: run, reason: "\(error)") }
  }

  private func outcomes(_ scope: String) throws -> MetricItems? {
    var values: [Double] = []
    for task in parts("tasks", scope, of: "correct") {
      values += try file.read("tasks/\(task)/correct", as: UInt8.self).map { Double($0) }
    }
    return values.isEmpty ? nil : MetricItems(form: .outcomes, values: values, noun: "questions")
  }

  /// Of a task with a definition, or of lm-eval's: the items' values under the metric's own name.
  private func taskItems(_ definition: MetricDefinition) throws -> MetricItems? {
    let place = "tasks/\(definition.scope)"
    guard file.contains("\(place)/\(definition.name)"), file.contains("\(place)/item") else {
      return nil
    }
    let values = try file.read("\(place)/\(definition.name)", as: Double.self)
    let names = String(decoding: try file.read("\(place)/item", as: UInt8.self), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard names.count == values.count else { return nil }
    return MetricItems(
      form: values.allSatisfy { $0 == 0 || $0 == 1 } ? .outcomes : .mean, values: values,
      names: names, noun: "questions")
  }

  private func losses(
    _ definition: MetricDefinition, form: MetricItems.Form
  ) throws -> MetricItems? {
    var (nats, tokens): ([Double], [Double]) = ([], [])
    for corpus in parts("perplexity", definition.scope, of: "window_nll") {
      let counts = try file.read("perplexity/\(corpus)/window_tokens", as: Int64.self)
        .map { Double($0) }
      let means = try file.read("perplexity/\(corpus)/window_nll", as: Double.self)
      guard counts.count == means.count else { return nil }
      nats += zip(means, counts).map { $0 * $1 }
      tokens += counts
    }
    guard !nats.isEmpty else { return nil }
    guard let scale = scale(of: definition, nats: nats.reduce(0, +), tokens.reduce(0, +)) else {
      return nil
    }
    return MetricItems(
      form: form, values: nats.map { $0 * scale.value }, weights: tokens.map { $0 * scale.weight },
      noun: "windows")
  }

  /// What turns nats and tokens of a window into the sums that the metric divides: bytes and words
  /// are known in total only, and shared out among windows by their tokens.
  private func scale(
    of definition: MetricDefinition, nats: Double, _ tokens: Double
  ) -> (value: Double, weight: Double)? {
    guard definition.name != "perplexity" else { return (1, 1) }
    guard let value = metrics.first(where: { $0.definition == definition })?.value, value > 0
    else { return nil }
    let bits = definition.name == "bits-per-byte"
    let divisor = bits ? nats / log(2) / value : nats / log(value)
    guard divisor.rounded() > 0 else { return nil }
    return (bits ? 1 / log(2) : 1, divisor.rounded() / tokens)
  }

  /// The parts of a scope that keep items; `all` is every part.
  private func parts(_ group: String, _ scope: String, of dataset: String) -> [String] {
    let names = file.datasets().compactMap { path -> String? in
      guard path.hasPrefix("\(group)/"), path.hasSuffix("/\(dataset)") else { return nil }
      return String(path.dropFirst(group.count + 1).dropLast(dataset.count + 1))
    }
    return scope == "all" ? names : names.filter { $0 == scope }
  }
}
