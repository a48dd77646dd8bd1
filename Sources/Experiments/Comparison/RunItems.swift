import Evaluation
import Foundation
import HDF5

/// The per-item values of a finished run, as its `evaluate` and `divergence` stages left them.
public struct RunItems: Sendable {
  public let run: String
  private let metrics: [Metric]
  /// Of the stages that the run has.
  private let stores: [ItemStore]

  /// Opens the items of a run.
  ///
  /// - Parameters:
  ///   - result: The run's result, which names the artifacts.
  ///   - workspace: Where the artifacts lie.
  /// - Throws: ``ComparisonError/noItems(run:reason:)``.
  public init(_ result: RunResult, in workspace: Workspace) throws(ComparisonError) {
    let names = [EvaluateStage.name, DivergenceStage.name]
    let stages = result.stages.filter { names.contains($0.name) }
    guard !stages.isEmpty else {
      throw .noItems(run: result.run, reason: "it has no stage \(EvaluateStage.name)")
    }
    let store = ArtifactStore(root: workspace.artifacts)
    var stores: [ItemStore] = []
    for stage in stages {
      switch store.lookup(stage: stage.name, key: stage.key) {
      case .missing:
        throw .noItems(run: result.run, reason: "artifact \(stage.key.prefix(12)) is gone")
      case .damaged(let reason):
        throw .noItems(run: result.run, reason: "artifact \(stage.key.prefix(12)): \(reason)")
      case .intact(let artifact):
        do { stores.append(try ItemStore(artifact.url)) } catch {
          throw .noItems(run: result.run, reason: "\(error)")
        }
      }
    }
    self.stores = stores
    run = result.run
    metrics = result.outcome.metrics
  }

  /// The items of a metric; nil if it keeps none.
  ///
  /// - Parameter definition: One of the run's metrics.
  /// - Returns: In the order of the file.
  /// - Throws: ``ComparisonError/noItems(run:reason:)`` for a file that cannot be read.
  public func items(of definition: MetricDefinition) throws(ComparisonError) -> MetricItems? {
    do throws(HDF5Error) {
      if let task = try taskItems(definition) { return task }
      switch definition.name {
      case "accuracy": return try outcomes(definition.scope)
      case "perplexity", "word-perplexity": return try losses(definition, form: .exponential)
      case "bits-per-byte": return try losses(definition, form: .mean)
      default: return try divergences(definition)
      }
    } catch { throw .noItems(run: run, reason: "\(error)") }
  }
}

// MARK: - Tasks

extension RunItems {
  private func outcomes(_ scope: String) throws(HDF5Error) -> MetricItems? {
    let parts = parts("tasks", scope, holding: "correct")
    var values: [Double] = []
    for part in parts { values += try part.values("correct") }
    return try MetricItems(form: .outcomes, values: values, parts, noun: "questions")
  }

  /// Of a task with a definition, or of lm-eval's: the items' values under the metric's own name, of
  /// all items, of one group, or of all groups alike.
  private func taskItems(_ definition: MetricDefinition) throws(HDF5Error) -> MetricItems? {
    let scope = "tasks/" + definition.scope.replacing("/", with: "_")
    for store in stores {
      let place = store.scopes.last { scope == $0 || scope.hasPrefix("\($0), ") }
      guard let place, store.contains(definition.name, in: place),
        store.contains("item", in: place),
        let stored = try store.items(of: place, values: [definition.name]),
        let values = stored.values[definition.name]
      else { continue }
      let part = String(definition.scope.dropFirst(place.count - "tasks/".count + 2))
      let items = MetricItems(
        form: .init(of: values, definition), values: values, names: stored.ids,
        hashes: stored.hashes, strata: stored.clusters, noun: "questions")
      return items.part(part, of: stored.clusters)
    }
    return nil
  }
}

extension MetricItems.Form {
  /// Perplexities keep log-likelihoods.
  fileprivate init(of values: [Double], _ definition: MetricDefinition) {
    self =
      definition.name == "perplexity"
      ? .exponential : values.allSatisfy { $0 == 0 || $0 == 1 } ? .outcomes : .mean
  }
}

extension MetricItems {
  /// The items behind a scope of a task: all for no name, those of a group, or all of them, weighed
  /// so that groups count alike; nil where this is no mean over items.
  fileprivate func part(_ name: String, of groups: [String]?) -> MetricItems? {
    var items = self
    if form == .exponential { items.values = values.map { -$0 } }
    guard !name.isEmpty else { return items }
    guard let groups, groups.count == values.count else { return nil }
    if name == EvaluateStage.meanOfGroups {
      guard form != .exponential else { return nil }
      let sizes = Dictionary(groups.map { ($0, 1.0) }, uniquingKeysWith: +)
      let share = Double(values.count) / Double(sizes.count)
      let weights = groups.map { share / (sizes[$0] ?? 1) }
      items.form = .mean
      items.values = zip(values, weights).map { $0 * $1 }
      items.weights = weights
      return items
    }
    let chosen = groups.indices.filter { groups[$0] == name }
    guard !chosen.isEmpty else { return nil }
    items.strata = nil
    items.values = chosen.map { items.values[$0] }
    items.names = names.map { names in chosen.map { names[$0] } }
    items.hashes = hashes.map { hashes in chosen.map { hashes[$0] } }
    return items
  }
}

// MARK: - Windows

extension RunItems {
  private func losses(
    _ definition: MetricDefinition, form: MetricItems.Form
  ) throws(HDF5Error) -> MetricItems? {
    let parts = parts("perplexity", definition.scope, holding: "window_nll")
    var (nats, tokens): ([Double], [Double]) = ([], [])
    for part in parts {
      let counts = try part.values("window_tokens")
      let means = try part.values("window_nll")
      guard counts.count == means.count else { return nil }
      nats += zip(means, counts).map { $0 * $1 }
      tokens += counts
    }
    guard
      let scale = scale(of: definition, nats: nats.reduce(0, +), tokens.reduce(0, +))
    else { return nil }
    return try MetricItems(
      form: form, values: nats.map { $0 * scale.value }, weights: tokens.map { $0 * scale.weight },
      parts, noun: "windows")
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

  /// Sums over the tokens of each window, of metrics that are means over tokens.
  private func divergences(_ definition: MetricDefinition) throws(HDF5Error) -> MetricItems? {
    guard let (dataset, value) = Self.tokenValues[definition.name] else { return nil }
    let parts = parts("divergence", definition.scope, holding: dataset)
    var (sums, tokens): ([Double], [Double]) = ([], [])
    for part in parts {
      let counts = try part.values("window_tokens")
      var rest = try part.values(dataset)[...]
      guard Double(rest.count) == counts.reduce(0, +) else { return nil }
      for count in counts {
        sums.append(rest.prefix(Int(count)).reduce(0) { $0 + value($1) })
        rest = rest.dropFirst(Int(count))
      }
      tokens += counts
    }
    return try MetricItems(form: .mean, values: sums, weights: tokens, parts, noun: "windows")
  }

  /// Metric → the dataset it is a mean over, and what a token counts.
  private static let tokenValues: [String: (dataset: String, value: @Sendable (Double) -> Double)] =
    [
      "kl-mean": ("token_kl", { $0 }),
      "top1-agreement": ("token_top1", { $0 }),
      "delta-p-mean": ("token_delta_p", { $0 }),
      // The first layer that sends the token elsewhere; negative if none does.
      "route-same-tokens": ("token_first_change", { $0 < 0 ? 1 : 0 }),
    ]
}

// MARK: - Parts of a scope

/// A text or task of a file of items.
private struct ItemPart {
  let store: ItemStore
  /// Its group in the file.
  let place: String
  let name: String

  func values(_ dataset: String) throws(HDF5Error) -> [Double] {
    try store.values(dataset, of: place)
  }
}

extension RunItems {
  /// The parts of a scope that keep items; `all` is every part.
  private func parts(
    _ group: String, _ scope: String, holding dataset: String
  ) -> [ItemPart] {
    stores.flatMap { store in
      store.scopes.filter { $0.hasPrefix("\(group)/") && store.contains(dataset, in: $0) }.map {
        ItemPart(store: store, place: $0, name: String($0.dropFirst(group.count + 1)))
      }
    }.filter { scope == "all" || $0.name == scope }
  }
}

extension MetricItems {
  /// Items of one part after the other; nil for no items.
  fileprivate init?(
    form: Form, values: [Double], weights: [Double]? = nil, _ parts: [ItemPart], noun: String
  ) throws(HDF5Error) {
    guard !values.isEmpty else { return nil }
    var known: [(part: String, items: ScopeItems)] = []
    // Files of before know items by their place only.
    for part in parts where part.store.contains("item", in: part.place) {
      guard let items = try part.store.items(of: part.place, values: []) else { continue }
      known.append((part.name, items))
    }
    self.init(form: form, values: values, weights: weights, noun: noun)
    guard known.count == parts.count, known.reduce(0, { $0 + $1.items.ids.count }) == values.count
    else { return }
    if parts.count > 1 {
      strata = known.flatMap { part, items in [String](repeating: part, count: items.ids.count) }
    }
    func title(_ part: String, _ text: String) -> String {
      parts.count > 1 ? "\(part) \(text)" : text
    }
    names = known.flatMap { part, items in items.ids.map { title(part, $0) } }
    let hashes = known.compactMap(\.items.hashes).flatMap(\.self)
    self.hashes = hashes.count == values.count ? hashes : nil
    guard known.contains(where: { $0.items.clusters != nil }) else { return }
    groups = known.flatMap { part, items in
      (items.clusters ?? items.ids).map { title(part, $0) }
    }
  }
}
