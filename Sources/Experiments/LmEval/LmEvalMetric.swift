import Evaluation

/// A metric of ours under lm-eval's names: `exact_match` behind the filter `strict-match`.
struct LmEvalMetric {
  /// As our results and items call it.
  let name: String
  let base: String
  let filter: String
  let higherIsBetter: Bool
  let isPerplexity: Bool

  /// The filter of answers that are not changed before they are scored.
  static let noFilter = "none"
  /// The filter that makes programs of what a model wrote.
  static let programs = "create_test"

  init(_ metric: TaskMetric) {
    let parts = metric.rawValue.split(separator: ",", maxSplits: 1)
    name = metric.rawValue
    base = parts.first.map(String.init) ?? name
    filter =
      metric == .passAt1
      ? Self.programs
      : parts.dropFirst().first.map(String.init)
        ?? Self.noFilter
    (higherIsBetter, isPerplexity) = (metric.higherIsBetter, metric == .perplexity)
  }

  private init(passAt k: Int) {
    name = "pass@\(k)"
    (base, filter) = (name, Self.programs)
    (higherIsBetter, isPerplexity) = (true, false)
  }

  /// The metrics that a run has of a task.
  static func all(of task: EvaluateStage.DefinedTask) -> [LmEvalMetric] {
    let attempts = task.definition.runsPrograms ? task.attempts : []
    return task.definition.metrics.map { LmEvalMetric($0) }
      + attempts.map { LmEvalMetric(passAt: $0) }
  }

  /// In `results`.
  var key: String { "\(base),\(filter)" }
  var errorKey: String { "\(base)_stderr,\(filter)" }

  /// What the filter makes of a text.
  func filtered(_ text: String, of item: TaskItem) -> String {
    guard filter != Self.programs else { return (item.requests.first?.context ?? "") + text }
    return TaskMetric(rawValue: name)?.filtered(text) ?? text
  }
}
