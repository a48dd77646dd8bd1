import Evaluation
import Experiments
import Foundation
import JSON

/// The tables of `assay divergence`.
struct DivergenceReport {
  private var summary = DataTable(["metric", "value", "noiseFloor", "unit"])
  private var buckets = DataTable([
    "confidence", "tokens", "klMean", "klMedian", "klP99", "top1", "deltaPMean", "deltaPRMS",
    "deltaNLL",
  ])
  private var quantiles = DataTable(["quantile", "kl", "deltaP"])
  private var layers = DataTable([
    "layer", "routerChange", "firstChange", "loadShift", "routerKL",
  ])

  /// Runs `body` with a folder that is gone afterwards, also after Ctrl-C.
  static func inTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    Interruption.install(saying: "Interrupted.")
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "assay-divergence-\(ProcessInfo.processInfo.processIdentifier)",
      directoryHint: .isDirectory)
    return try Interruption.withTemporaryFolder(folder, body)
  }

  /// Puts the tables together.
  ///
  /// - Parameters:
  ///   - measured: The tokens.
  ///   - folders: With the model's metrics, and with those of the noise floor.
  /// - Throws: What reading the metrics throws.
  init(_ measured: MeasuredDivergence, metrics folders: [URL]) throws {
    let metrics = try folders.map { folder in
      try JSONDecoder().decode(
        [Metric].self, from: Data(contentsOf: folder.appending(path: "metrics.json"))
      ).filter { $0.definition.scope == "all" }
    }
    let floors = Dictionary(
      (metrics.last ?? []).map { ($0.definition.name, $0.value) }, uniquingKeysWith: { $1 })
    for metric in metrics.first ?? [] {
      let floor = floors["\(metric.definition.name)-noise-floor"] ?? nil
      summary.append([
        JSONValue(metric.definition.name), metric.value.map { JSONValue($0) } ?? .null,
        floor.map { JSONValue($0) } ?? .null, JSONValue(metric.definition.unit),
      ])
    }
    addBuckets(measured.tokens)
    if let all = DivergenceSummary(measured.tokens) { addQuantiles(all) }
    if let drift = measured.drift { addLayers(drift) }
  }

  private mutating func addBuckets(_ tokens: TokenDivergences) {
    for (lower, upper, summary) in DivergenceSummary.byConfidence(tokens) {
      let range = "\(CanonicalJSON.number(lower))–\(CanonicalJSON.number(upper))"
      guard let summary else {
        let absent = [JSONValue](repeating: .null, count: buckets.columns.count - 2)
        buckets.append([JSONValue(range), JSONValue(0)] + absent)
        continue
      }
      buckets.append([
        JSONValue(range), JSONValue(summary.tokens), JSONValue(summary.mean),
        JSONValue(summary.divergence.value(at: 0.5)),
        JSONValue(summary.divergence.value(at: 0.99)), JSONValue(summary.agreement),
        JSONValue(summary.changeMean), JSONValue(summary.changeRMS), JSONValue(summary.lossChange),
      ])
    }
  }

  /// llama.cpp's set.
  private mutating func addQuantiles(_ summary: DivergenceSummary) {
    for share in [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1] {
      quantiles.append([
        JSONValue(share), JSONValue(summary.divergence.value(at: share)),
        JSONValue(summary.change.value(at: share)),
      ])
    }
  }

  private mutating func addLayers(_ drift: RouteDrift) {
    for (layer, first) in zip(drift.layers, drift.firstChanges) {
      layers.append([
        JSONValue(layer.layer), JSONValue(layer.change), JSONValue(first),
        JSONValue(layer.loadShift), JSONValue(layer.divergence),
      ])
    }
  }

  func text(_ format: FormatOption.Format) -> String {
    let tables = [
      ("summary", summary), ("byConfidence", buckets), ("quantiles", quantiles),
      ("layers", layers),
    ].filter { !$0.1.rows.isEmpty }
    if format == .json {
      return PrettyJSON.text(
        .object(JSONObject(tables.map { ($0.0, $0.1.json) })), sortingKeys: false)
    }
    return tables.map { $0.1.text(format) }.joined(separator: "\n")
  }
}
