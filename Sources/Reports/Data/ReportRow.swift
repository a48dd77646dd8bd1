import Experiments
import JSON

/// One complete run, reduced to what reports show.
public struct ReportRow: Codable, Sendable, Equatable {
  public var run: String
  public var axes: [AxisLabel]
  public var seeds: [String: Int]
  public var metrics: [ReportMetric]
  public var ledgers: [String: Double]
  public var counts: [String: Int]
  public var remarks: [String]
  public var facts: [String: JSONValue]
  public var stages: [StageCost]
  public var forced: Bool
  /// SHA-256 of the program's file; nil if the run did not record it.
  public var program: String?
  /// Of the repository that holds the spec.
  public var commit: String
}

/// One measured number, its definition given by id.
public struct ReportMetric: Codable, Sendable, Equatable {
  public var definition: String
  /// nil if not finite; `special` then says `nan`, `inf` or `-inf`.
  public var value: Double?
  public var special: String?
  public var items: Int
  /// The standard error over the items, in the unit of the value; nil unless a table shows it.
  public var itemError: Double?
  /// Of 95 %, over the metric's own repeats; nil for what is computed once.
  public var interval: MetricInterval?
}

/// What a stage cost at its first execution, cached or not.
public struct StageCost: Codable, Sendable, Equatable {
  public var name: String
  public var seconds: Double
  public var peakMemoryBytes: Int
  public var forwardTokens: Int?
}
