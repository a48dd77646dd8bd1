import Experiments
import Foundation
import JSON
import Reports

/// Runs of an invented grid: methods × bits, replicated over seeds.
struct SyntheticRun {
  var method: String
  var bits: String?
  var seeds: [String: Int] = [:]
  var perplexity: Double? = 10
  /// Written instead of a value if not nil.
  var special: String?
  var accuracy = 0.5
  var codeBits: Double?
  var bytes = 1_234_567.0
  var seconds = 0.5
  var context = 256.0
  var forced = false
  var fallbacks = 0
  var remarks: [String] = []
  var commit = "0123456789ab"

  var result: RunResult {
    get throws {
      try json.decoded(as: RunResult.self)
    }
  }

  private var name: String {
    let seeds = seeds.sorted { $0.key < $1.key }.map { "\($0.key)\($0.value)" }
    return ([method, bits ?? ""] + seeds).joined(separator: "-")
  }

  private var json: JSONValue {
    [
      "schemaVersion": 1, "run": JSONValue(name), "experiment": "tiny", "spec": "5bec",
      "axes": .array(axes), "parameters": [:],
      "seeds": .object(JSONObject(seeds.map { ($0.key, JSONValue($0.value)) })),
      "stages": .array(stages), "outcome": outcome, "provenance": provenance,
    ]
  }

  private var axes: [JSONValue] {
    [("method", Optional(method)), ("bits", bits)].compactMap { axis, label in
      label.map { ["axis": JSONValue(axis), "label": JSONValue($0)] }
    }
  }

  private var stages: [JSONValue] {
    if method == "full precision" { return [] }
    return [
      stage(
        "calibrate", inputs: ["model": "aaaa", "corpus": "bbbb"], seconds: 1, tokens: 4096),
      stage(
        "quantize", inputs: ["model": "aaaa", "calibration": "digest of calibrate"],
        seconds: seconds, tokens: nil),
    ]
  }

  private func stage(
    _ name: String, inputs: JSONValue, seconds: Double, tokens: Int?
  ) -> JSONValue {
    [
      "name": JSONValue(name), "key": "key", "digest": JSONValue("digest of \(name)"),
      "inputs": inputs, "cached": false, "seconds": JSONValue(seconds),
      "peakMemoryBytes": 64_000_000, "forwardTokens": tokens.map { JSONValue($0) } ?? nil,
    ]
  }

  private var outcome: JSONValue {
    [
      "metrics": [
        metric("perplexity", "all", "nats", false, perplexity),
        metric("accuracy", "stories", "fraction", true, accuracy),
        metric("accuracy", "arithmetic", "fraction", true, accuracy / 2),
      ],
      "ledgers": [
        "expert-code-bits": JSONValue(codeBits ?? Double(bits ?? "16") ?? 16),
        "true-bytes": JSONValue(bytes),
      ],
      "forced": JSONValue(forced), "counts": ["gptq-fallbacks": JSONValue(fallbacks)],
      "remarks": .array(remarks.map { JSONValue($0) }),
      "facts": ["model-name": "toy-moe", "model-parameters": 1_234_567],
    ]
  }

  private func metric(
    _ name: String, _ scope: String, _ unit: String, _ higherIsBetter: Bool, _ value: Double?
  ) -> JSONValue {
    [
      "definition": [
        "name": JSONValue(name), "scope": JSONValue(scope), "unit": JSONValue(unit),
        "higherIsBetter": JSONValue(higherIsBetter),
        "protocolParameters": ["context": JSONValue(context)],
      ],
      "value": value.map { JSONValue($0) } ?? nil,
      "special": special.map { JSONValue($0) } ?? nil, "items": 20,
    ]
  }

  private var provenance: JSONValue {
    [
      "program": "fedc", "commit": JSONValue(commit), "host": "somewhere", "cpu": "a CPU",
      "threads": 2,
      "libraries": ["oneDNN": "2.6"], "started": "2026-11-01T00:00:00Z",
      "finished": "2026-11-01T00:00:01Z",
    ]
  }
}

/// The grid of the tests.
enum Synthetic {
  static let axes = [
    ReportAxis(name: "method", labels: ["full precision", "RTN", "GPTQ", "random"]),
    ReportAxis(name: "bits", labels: ["2.5", "3"]),
  ]

  /// Full precision, RTN once, GPTQ over 2 calibration seeds, random over 2 × 2 seeds.
  static var runs: [SyntheticRun] {
    [
      SyntheticRun(
        method: "random", bits: "3", seeds: ["calibration": 0, "search": 0], perplexity: 9),
      SyntheticRun(
        method: "random", bits: "3", seeds: ["calibration": 0, "search": 1], perplexity: 9.5),
      SyntheticRun(
        method: "random", bits: "3", seeds: ["calibration": 1, "search": 0], perplexity: 8.5),
      SyntheticRun(
        method: "random", bits: "3", seeds: ["calibration": 1, "search": 1], perplexity: 9),
      SyntheticRun(method: "full precision", bits: nil, perplexity: 6.12345),
      SyntheticRun(method: "RTN", bits: "3", perplexity: 8.8, accuracy: 0.4),
      SyntheticRun(method: "GPTQ", bits: "3", seeds: ["calibration": 0], perplexity: 8.20),
      SyntheticRun(
        method: "GPTQ", bits: "3", seeds: ["calibration": 1], perplexity: 8.24, fallbacks: 2,
        remarks: ["Expert 3 got no token and was rounded to nearest."]),
    ]
  }

  /// `tables` and `figures` are JSON texts.
  static func data(
    _ runs: [SyntheticRun] = runs, missing: [MissingPoint] = [], tables: String = "[]",
    figures: String = "[]"
  ) throws -> ReportData {
    try ReportData.collect(
      experiment: "tiny", spec: "5bec", results: try runs.map { try $0.result }, missing: missing,
      axes: axes, tables: try json(tables), figures: try json(figures))
  }

  static func json(_ text: String) throws -> JSONValue {
    try JSONParser.parse(text)
  }

  static let table = """
    [{"name": "main", "caption": "Methods at equal budget.", "rows": ["method", "bits"],
      "bestWithin": "bits",
      "columns": [{"ledger": "expert-code-bits"}, {"ledger": "true-bytes"},
        {"metric": "perplexity"}, {"metric": "accuracy", "scope": "*"},
        {"cost": "seconds", "stages": ["calibrate", "quantize"]}, {"count": "gptq-fallbacks"}]}]
    """

  static let figure = """
    [{"name": "curve", "kind": "line", "x": {"ledger": "expert-code-bits"},
      "y": {"metric": "perplexity", "scope": "all"}, "series": "method",
      "caption": "Perplexity against bits."}]
    """
}
