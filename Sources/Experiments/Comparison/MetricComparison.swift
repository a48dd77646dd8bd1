import Statistics

/// How two methods differ in one metric, item by item, with what the difference is worth.
///
/// Differences are candidate − baseline. A perplexity is compared in nats per token, where the
/// difference is the log of the ratio.
public struct MetricComparison: Codable, Sendable, Equatable {
  /// What gave the p-value.
  public enum Test: String, Codable, Sendable, CaseIterable {
    /// One run against one, right and wrong answers.
    case mcNemar = "exact McNemar"
    /// One run against one, other values.
    case bootstrap = "paired bootstrap"
    /// One run against one, answers to questions that share passages.
    case clustered = "clustered paired t"
    /// Repeated runs: seeds and items are both drawn.
    case crossed = "crossed paired t"
  }

  /// A value with its interval.
  public struct Interval: Codable, Sendable, Equatable {
    public var value: Double
    public var lower: Double
    public var upper: Double
  }

  /// A seed stream that was varied.
  public struct Factor: Codable, Sendable, Equatable {
    public var name: String
    public var levels: Int
  }

  public var test: Test
  public var items: Int
  /// Independent groups of items, if items come in groups.
  public var clusters: Int?
  /// Texts or subjects that the metric is always over, within which alone items vary; nil for one, and
  /// where the test does not ask.
  public var strata: Int?
  /// What an item is, in the plural.
  public var noun: String
  /// The seeds over which differences were taken; empty for one run against one.
  public var factors: [Factor]
  /// Runs that entered, each counted once.
  public var runs: Int
  public var candidate: Double
  public var baseline: Double
  /// In `unit`.
  public var difference: Interval
  /// Of perplexities.
  public var ratio: Interval?
  /// `fraction`, `nats/token`, `bits/byte`, …
  public var unit: String
  /// Coverage of the intervals.
  public var level: Double
  /// How the interval of the difference was made.
  public var interval: String
  /// Items that only one side gets right, of one run against one.
  public var gained: Int?
  public var lost: Int?
  /// nil where nothing varies.
  public var pValue: Double?
  /// With the seeds held fixed: over fresh items only.
  public var itemP: Double?
  /// With the items held fixed: over fresh seeds only; nil without replicates.
  public var seedP: Double?
  /// The smallest true difference that a repetition would find with chance `power` at `alpha`, in
  /// `unit`; nil where nothing varies.
  public var detectable: Double?
  public var alpha: Double
  public var power: Double
  /// Differences within ± this, in `unit`, are taken for none.
  public var margin: Double
  public var equivalenceP: Double

  /// Whether the difference is shown to be within the margin.
  public var isEquivalent: Bool { equivalenceP <= alpha }
}

/// How comparisons are made.
public struct ComparisonOptions: Sendable, Equatable {
  /// Coverage of intervals.
  public var level = 0.95
  /// Chance of claiming a difference where there is none.
  public var alpha = 0.05
  /// Wanted chance of finding a difference, for the smallest detectable one.
  public var power = 0.8
  /// What counts as no difference: absolute for fractions, else relative to the baseline.
  public var margin = 0.01
  /// Of the bootstrap.
  public var resamples = 10_000
  public var seed: UInt64 = 0

  public init() {}
}
