import Experiments
import Foundation
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
      try JSONDecoder().decode(RunResult.self, from: JSONEncoder().encode(json))
    }
  }

  private var name: String {
    let seeds = seeds.sorted { $0.key < $1.key }.map { "\($0.key)\($0.value)" }
    return ([method, bits ?? ""] + seeds).joined(separator: "-")
  }

  private var json: JSONValue {
    .object([
      "schemaVersion": .number(1), "run": .string(name), "experiment": .string("tiny"),
      "spec": .string("5bec"), "axes": .array(axes), "parameters": .object([:]),
      "seeds": .object(seeds.mapValues { .number(Double($0)) }), "stages": .array(stages),
      "outcome": outcome, "provenance": provenance,
    ])
  }

  private var axes: [JSONValue] {
    [("method", Optional(method)), ("bits", bits)].compactMap { axis, label in
      label.map { .object(["axis": .string(axis), "label": .string($0)]) }
    }
  }

  private var stages: [JSONValue] {
    let calibrate = stage(
      "calibrate", inputs: ["model": "aaaa", "corpus": "bbbb"], seconds: 1, tokens: 4096)
    let quantize = stage(
      "quantize", inputs: ["model": "aaaa", "calibration": "digest of calibrate"],
      seconds: seconds, tokens: nil)
    return method == "full precision" ? [] : [calibrate, quantize]
  }

  private func stage(
    _ name: String, inputs: [String: String], seconds: Double, tokens: Int?
  ) -> JSONValue {
    .object([
      "name": .string(name), "key": .string("key"), "digest": .string("digest of \(name)"),
      "inputs": .object(inputs.mapValues { .string($0) }), "cached": .bool(false),
      "seconds": .number(seconds), "peakMemoryBytes": .number(64e6),
      "forwardTokens": tokens.map { .number(Double($0)) } ?? .null,
    ])
  }

  private var outcome: JSONValue {
    .object([
      "metrics": .array([
        metric("perplexity", "all", "nats", false, perplexity),
        metric("accuracy", "stories", "fraction", true, accuracy),
        metric("accuracy", "arithmetic", "fraction", true, accuracy / 2),
      ]),
      "ledgers": .object([
        "expert-code-bits": .number(codeBits ?? Double(bits ?? "16") ?? 16),
        "true-bytes": .number(bytes),
      ]),
      "forced": .bool(forced), "counts": .object(["gptq-fallbacks": .number(Double(fallbacks))]),
      "remarks": .array(remarks.map { .string($0) }),
      "facts": .object([
        "model-name": .string("toy-moe"), "model-parameters": .number(1_234_567),
      ]),
    ])
  }

  private func metric(
    _ name: String, _ scope: String, _ unit: String, _ higherIsBetter: Bool, _ value: Double?
  ) -> JSONValue {
    .object([
      "definition": .object([
        "name": .string(name), "scope": .string(scope), "unit": .string(unit),
        "higherIsBetter": .bool(higherIsBetter),
        "protocolParameters": .object(["context": .number(context)]),
      ]),
      "value": value.map { .number($0) } ?? .null, "special": special.map { .string($0) } ?? .null,
      "items": .number(20),
    ])
  }

  private var provenance: JSONValue {
    .object([
      "commit": .string(commit), "host": .string("somewhere"), "cpu": .string("a CPU"),
      "threads": .number(2), "libraries": .object(["oneDNN": .string("2.6")]),
      "started": .string("2026-11-01T00:00:00Z"), "finished": .string("2026-11-01T00:00:01Z"),
    ])
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
      axes: axes, tables: try json(tables), figures: try json(figures), sha256: fingerprint)
  }

  static func json(_ text: String) throws -> JSONValue {
    try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
  }

  /// FNV-1a, enough to tell definitions apart.
  static func fingerprint(_ data: Data) -> String {
    let hash = data.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
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
