import Experiments
import Foundation

/// A comparison in words and rounded numbers, fractions in percent.
package struct ComparisonText {
  private let comparison: MetricComparison

  package init(_ comparison: MetricComparison) { self.comparison = comparison }

  package var baseline: String { value(comparison.baseline) }
  package var candidate: String { value(comparison.candidate) }

  /// `+1.2 pp`, `× 1.0123`, `-0.0034 bits/byte`.
  package var difference: String {
    if let ratio = comparison.ratio { return "× \(factor(ratio.value))" }
    return "\(signed(comparison.difference.value)) \(unit)"
  }

  /// In the unit of ``difference``.
  package var interval: String {
    if let ratio = comparison.ratio {
      return "[\(factor(ratio.lower)), \(factor(ratio.upper))]"
    }
    return "[\(signed(comparison.difference.lower)), \(signed(comparison.difference.upper))]"
  }

  package var pValue: String { Self.p(comparison.pValue) }

  /// `120`, or `120 in 30` for items in groups.
  package var count: String {
    DecimalText.grouped(comparison.items)
      + (comparison.clusters.map { " in \(DecimalText.grouped($0))" } ?? "")
  }

  /// `3/5`: items that only the baseline, and only the candidate gets right; empty for other tests.
  package var discordant: String {
    guard let lost = comparison.lost, let gained = comparison.gained else { return "" }
    return "\(lost)/\(gained)"
  }

  /// The smallest detectable difference: `1.8 pp`, `1.2 %` of a perplexity.
  package var detectable: String {
    guard let size = comparison.detectable else { return "–" }
    return amount(size)
  }

  /// `yes, ± 1.0 pp`.
  package var equivalence: String {
    "\(comparison.isEquivalent ? "yes" : "no"), ± \(amount(comparison.margin))"
  }

  /// Two significant digits, `<0.0001` below.
  package static func p(_ value: Double?) -> String {
    guard let value else { return "–" }
    if value < 0.0001 { return "<0.0001" }
    return DecimalText.fixed(value, decimals: value < 0.01 ? 4 : value < 0.1 ? 3 : 2)
  }

  private var isFraction: Bool { comparison.unit == "fraction" }
  private var unit: String { isFraction ? "pp" : comparison.unit }
  private var scale: Double { isFraction ? 100 : 1 }

  private func value(_ value: Double) -> String {
    isFraction
      ? DecimalText.fixed(100 * value, decimals: 1) + " %"
      : DecimalText.fixed(value, decimals: 4)
  }

  /// As many decimals as leave three digits of the interval's width, two of percentage points.
  private var decimals: Int {
    let width = (comparison.difference.upper - comparison.difference.lower) * scale
    return max(
      isFraction ? 1 : 3, DecimalText.decimals(for: width, significant: isFraction ? 2 : 3))
  }

  private func signed(_ value: Double) -> String {
    let text = DecimalText.fixed(value * scale, decimals: decimals)
    return text.hasPrefix("-") ? text : "+\(text)"
  }

  private func factor(_ ratio: Double) -> String { DecimalText.fixed(ratio, decimals: 4) }

  private func amount(_ size: Double) -> String {
    Self.amount(size, unit: comparison.unit, isRatio: comparison.ratio != nil)
  }

  /// A size of a difference: of log perplexities as the ratio it makes, of fractions in points.
  package static func amount(_ size: Double, unit: String, isRatio: Bool) -> String {
    if isRatio { return "\(DecimalText.significant(100 * (exp(size) - 1), digits: 2)) %" }
    if unit == "fraction" { return "\(DecimalText.significant(100 * size, digits: 2)) pp" }
    return "\(DecimalText.significant(size, digits: 2)) \(unit)"
  }
}
