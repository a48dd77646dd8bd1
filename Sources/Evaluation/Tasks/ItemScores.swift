import Foundation

/// A task's items with a value each, however these were found.
public protocol ItemScores: Sendable {
  var items: [TaskItem] { get }
  /// Tokens that went through the model.
  var forwardTokens: Int { get }

  /// The value of every item: 0 or 1 of accuracies, the log-likelihood, in nats, of perplexity, the
  /// chance that one of k samples passes.
  ///
  /// - Parameter metric: One that the task's kind has.
  /// - Returns: As many values as items.
  func values(_ metric: TaskMetric) -> [Double]
}

/// The value of a metric over items of one group.
public struct GroupScore: Sendable, Equatable {
  public let name: String
  public let items: Int
  public let value: Double
}

extension ItemScores {
  /// The metric over all items alike: the micro average where there are groups.
  ///
  /// - Parameter metric: One that the task's kind has.
  /// - Returns: Mean of the items' values; of perplexity exp of minus this.
  public func value(_ metric: TaskMetric) -> Double { Self.aggregate(values(metric), metric) }

  /// The metric in every group, sorted by name; empty if the task has no groups.
  ///
  /// - Parameter metric: One that the task's kind has.
  /// - Returns: A value a group.
  public func groups(_ metric: TaskMetric) -> [GroupScore] {
    var members: [String: [Double]] = [:]
    for (item, value) in zip(items, values(metric)) {
      if let group = item.group { members[group, default: []].append(value) }
    }
    return members.sorted { $0.key < $1.key }.map { name, values in
      GroupScore(name: name, items: values.count, value: Self.aggregate(values, metric))
    }
  }

  /// The mean of the groups' values, each group alike whatever its size; nil without groups.
  ///
  /// - Parameter metric: One that the task's kind has.
  /// - Returns: The macro average.
  public func macroAverage(_ metric: TaskMetric) -> Double? {
    let groups = groups(metric)
    guard !groups.isEmpty else { return nil }
    return groups.reduce(0) { $0 + $1.value } / Double(groups.count)
  }

  private static func aggregate(_ values: [Double], _ metric: TaskMetric) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return metric == .perplexity ? exp(-mean) : mean
  }
}
