import Evaluation
import JSON

/// The metrics of divergences: of every text, and of all tokens of all texts as the scope `all`.
struct DivergenceMetrics {
  /// What the names end with.
  let suffix: String
  private var metrics: [Metric] = []
  private var parts: [JSONValue] = []
  private(set) var pooled = MeasuredDivergence()

  init(suffix: String) { self.suffix = suffix }

  mutating func add(_ measured: MeasuredDivergence, scope: String, _ definition: JSONValue) {
    metrics += Self.metrics(of: measured, scope: scope, definition, suffix)
    pooled.append(measured)
    parts.append(definition)
  }

  var all: [Metric] {
    guard !parts.isEmpty else { return [] }
    return metrics
      + Self.metrics(
        of: pooled, scope: "all", ["protocol": "pooled-tokens", "parts": .array(parts)], suffix)
  }

  /// The names without suffix; those of routes are there if routes are recorded.
  static func names(routes: Bool) -> [String] {
    [
      "kl-mean", "kl-median", "kl-p90", "kl-p99", "top1-agreement", "delta-p-mean", "delta-p-rms",
      "delta-nll",
    ]
      + (routes
        ? [
          "router-change", "route-same-tokens", "load-shift", "router-kl", "delta-nll-route-same",
          "delta-nll-route-changed",
        ] : [])
  }

  private static func metrics(
    of measured: MeasuredDivergence, scope: String, _ definition: JSONValue, _ suffix: String
  ) -> [Metric] {
    guard let summary = DivergenceSummary(measured.tokens) else { return [] }
    func metric(
      _ name: String, _ unit: String, _ value: Double, isGood: Bool = false
    ) -> Metric {
      Metric(
        definition: MetricDefinition(
          name: name + suffix, scope: scope, unit: unit, higherIsBetter: isGood,
          protocolParameters: definition), value: value, items: measured.tokens.count)
    }
    let nats = "nats/token"
    var result = [
      metric("kl-mean", nats, summary.mean),
      metric("kl-median", nats, summary.divergence.value(at: 0.5)),
      metric("kl-p90", nats, summary.divergence.value(at: 0.9)),
      metric("kl-p99", nats, summary.divergence.value(at: 0.99)),
      metric("top1-agreement", "fraction", summary.agreement, isGood: true),
      metric("delta-p-mean", "fraction", summary.changeMean, isGood: true),
      metric("delta-p-rms", "fraction", summary.changeRMS),
      metric("delta-nll", nats, summary.lossChange),
    ]
    guard let drift = measured.drift else { return result }
    result += [
      metric("router-change", "fraction", drift.change),
      metric("route-same-tokens", "fraction", drift.sameRoutes, isGood: true),
      metric("load-shift", "fraction", drift.loadShift),
      metric("router-kl", nats, drift.divergence),
    ]
    for (name, isSame) in [("delta-nll-route-same", true), ("delta-nll-route-changed", false)] {
      if let change = measured.lossChange(ofSameRoutes: isSame) {
        result.append(metric(name, nats, change))
      }
    }
    return result
  }
}
