import Experiments

/// A row of a table compared with its baseline in one metric.
public struct ReportComparison: Codable, Sendable, Equatable {
  public var table: String
  /// Labels of the row, and of the row it is compared with.
  public var row: [String]
  public var baseline: [String]
  /// Id of the metric's definition.
  public var definition: String
  public var result: MetricComparison?
  /// Why there is no result.
  public var refusal: String?
}

/// The variance of a row's runs in one metric.
public struct ReportVariance: Codable, Sendable, Equatable {
  public var table: String
  public var row: [String]
  /// Id of the metric's definition.
  public var definition: String
  public var split: VarianceSplit?
  /// Why there is none.
  public var refusal: String?
}
