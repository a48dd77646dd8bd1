import Foundation
public import Statistics

/// The per-item values behind one metric of one run.
public struct MetricItems: Sendable, Equatable {
  /// How the metric comes from its items.
  public enum Form: Sendable, Equatable {
    /// The share of items that are 1, not 0.
    case outcomes
    /// `Σ values / Σ weights`.
    case mean
    /// `exp(Σ values / Σ weights)`: perplexity, from nats and tokens of windows.
    case exponential
  }

  public var form: Form
  /// One per item: 0 or 1, nats of a window, …
  public var values: [Double]
  /// Positive, one per item, such as tokens of a window; nil weighs items alike.
  public var weights: [Double]?
  /// One per item; nil if items are known by their place only.
  public var names: [String]?
  /// Of what each item asks; nil if it is not known.
  public var hashes: [UInt64]?
  /// The passage or document that each item belongs to; nil if items are independent.
  public var groups: [String]?
  /// The text or subject that each item is of, where the metric is over several that are always the
  /// same; nil for one.
  public var strata: [String]?
  /// What an item is, in the plural: `questions`, `windows`.
  public var noun: String

  public init(
    form: Form, values: [Double], weights: [Double]? = nil, names: [String]? = nil,
    hashes: [UInt64]? = nil, groups: [String]? = nil, strata: [String]? = nil, noun: String
  ) {
    self.form = form
    self.values = values
    self.weights = weights
    self.names = names
    self.hashes = hashes
    self.groups = groups
    self.strata = strata
    self.noun = noun
  }

  public var clusters: Clusters? { groups.map { Clusters($0) } }

  /// The metric before any `exp`, with its error over items: over the items of each stratum, where
  /// there are strata.
  ///
  /// - Returns: In nats per token of a perplexity, else in the metric's unit.
  /// - Throws: ``StatisticsError`` for fewer than two items or clusters, or a value that is not finite.
  public func estimate() throws(StatisticsError) -> MeanEstimate {
    let divisors = weights ?? [Double](repeating: 1, count: values.count)
    return try MeanEstimate(
      sumOf: values, over: divisors, clusters: clusters, strata: strata.map { Clusters($0) })
  }

  /// The standard error of the metric over its items, in the metric's unit; of a perplexity by the
  /// delta method.
  public func standardError() throws(StatisticsError) -> Double {
    let estimate = try estimate()
    return estimate.standardError * (form == .exponential ? exp(estimate.mean) : 1)
  }

  /// How an item is called in lists.
  func name(of item: Int) -> String { names?[item] ?? "\(item)" }
}

extension MetricItems {
  /// Why two sets of items are not the same items in the same order; nil if they are.
  ///
  /// Hashes decide where both sides have them, names elsewhere.
  func difference(from other: MetricItems) -> String? {
    if values.count != other.values.count {
      return "\(values.count) \(noun) against \(other.values.count)"
    }
    if let hashes, let others = other.hashes {
      if let place = hashes.indices.first(where: { hashes[$0] != others[$0] }) {
        return
          "item \(place), \(name(of: place)), asks something else than \(other.name(of: place))"
      }
    } else if let names, let others = other.names,
      let place = names.indices.first(where: { names[$0] != others[$0] })
    {
      return "item \(place) is \(names[place]) on one side and \(others[place]) on the other"
    }
    if weights != other.weights { return "the \(noun) hold unlike numbers of tokens" }
    if groups != other.groups { return "the \(noun) are grouped differently" }
    return nil
  }
}
