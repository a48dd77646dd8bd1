import Foundation
import JSON

/// How a metric is computed, hashed so that two numbers of different definitions never share a
/// column.
public struct MetricDefinition: Codable, Sendable, Equatable {
  /// `perplexity`, `bits-per-byte`, `accuracy`.
  public var name: String
  /// What it was measured on: a corpus or task name such as `arithmetic`, or `all`.
  public var scope: String
  /// `nats`, `bits/byte`, `fraction`, …
  public var unit: String
  public var higherIsBetter: Bool
  /// Everything that fixes the number: protocol, context, join rule, digest of the text, …
  public var protocolParameters: JSONValue

  public init(
    name: String, scope: String, unit: String, higherIsBetter: Bool, protocolParameters: JSONValue
  ) {
    self.name = name
    self.scope = scope
    self.unit = unit
    self.higherIsBetter = higherIsBetter
    self.protocolParameters = protocolParameters
  }
}

/// One measured number.
public struct Metric: Codable, Sendable, Equatable {
  public var definition: MetricDefinition
  /// nil if not finite; `special` then says `nan`, `inf` or `-inf`.
  public var value: Double?
  public var special: String?
  /// Items (windows, questions, repeats) behind the number.
  public var items: Int
  /// Where the value may lie by its own repeats; nil for what is computed once.
  public var interval: MetricInterval?

  public init(
    definition: MetricDefinition, value: Double, items: Int, interval: MetricInterval? = nil
  ) {
    self.interval = interval
    self.definition = definition
    self.value = value.isFinite ? value : nil
    self.special = value.isFinite ? nil : value.isNaN ? "nan" : value > 0 ? "inf" : "-inf"
    self.items = items
  }
}

/// An interval of 95 % around a metric, in its unit.
public struct MetricInterval: Codable, Sendable, Equatable {
  public var lower: Double
  public var upper: Double

  public init(lower: Double, upper: Double) { (self.lower, self.upper) = (lower, upper) }
}

/// What a point gave, before the engine adds how it was run.
public struct PointOutcome: Codable, Sendable, Equatable {
  public var metrics: [Metric]
  /// Ledger name → value: `expert-code-bits`, `paper-code-bits`, `with-metadata` in bits per weight,
  /// `true-bytes` in bytes.
  public var ledgers: [String: Double]
  /// The budget admitted one plan only.
  public var forced: Bool
  /// Counted incidents, such as `gptq-fallbacks` or `uncovered-experts`; 0 is written too.
  public var counts: [String: Int]
  /// Sentences a reader of the tables must see, such as an explicit fallback.
  public var remarks: [String]
  /// Facts for footers: name → value (`model-parameters`, `calibration-tokens`, …).
  public var facts: [String: JSONValue]

  public init(
    metrics: [Metric], ledgers: [String: Double], forced: Bool, counts: [String: Int],
    remarks: [String], facts: [String: JSONValue]
  ) {
    self.metrics = metrics
    self.ledgers = ledgers
    self.forced = forced
    self.counts = counts
    self.remarks = remarks
    self.facts = facts
  }
}

/// One stage as it was used by a run. Its cost is that of its first execution, cached or not.
public struct StageRecord: Codable, Sendable, Equatable {
  public var name: String
  public var key: String
  /// Digest of the payloads.
  public var digest: String
  /// Input role → digest.
  public var inputs: [String: String]
  public var cached: Bool
  public var seconds: Double
  public var peakMemoryBytes: Int
  /// Tokens sent through the model, if the stage runs it.
  public var forwardTokens: Int?
}

/// Where and with what a run was executed; never part of its identity.
public struct Provenance: Codable, Sendable, Equatable {
  /// SHA-256 of the program's file; nil in results of programs that did not record it.
  public var program: String?
  /// Commit of the repository that holds the spec, with `-dirty` if its tree had changes; `unknown`
  /// outside git. The program may have been built from another one.
  public var commit: String
  public var host: String
  public var cpu: String
  public var threads: Int
  /// OpenBLAS kernel, oneDNN version and instruction set, HDF5, SQLite, Swift.
  public var libraries: [String: String]
  public var started: String
  public var finished: String
}

/// `result.json` of a run: written once, atomically, when everything is done.
public struct RunResult: Codable, Sendable, Equatable {
  public var schemaVersion: Int
  public var run: String
  public var experiment: String
  /// Digest of the canonical spec.
  public var spec: String
  /// Axis name → label, in the order of the spec.
  public var axes: [AxisLabel]
  /// Other combinations of labels that are the same run, such as full precision at every budget.
  public var aliases: [[AxisLabel]]? = nil
  /// Seeds the stages of this run read; other streams are absent.
  public var seeds: [String: Int]
  public var parameters: JSONValue
  public var stages: [StageRecord]
  public var outcome: PointOutcome
  public var provenance: Provenance
}

extension [AxisLabel] {
  /// The labels that say something: without those of axes on which the point is the same at other
  /// labels too, as full precision is at every budget.
  public func read(besides aliases: [[AxisLabel]]) -> [AxisLabel] {
    filter { label in aliases.allSatisfy { $0.contains(label) } }
  }
}

/// The label of a point on one axis.
public struct AxisLabel: Codable, Sendable, Equatable {
  public var axis: String
  public var label: String

  public init(axis: String, label: String) {
    self.axis = axis
    self.label = label
  }
}
