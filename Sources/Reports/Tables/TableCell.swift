import Experiments
import Statistics

extension Quantity {
  /// Whether replicates differ in what is printed.
  fileprivate func shows(_ summary: SampleSummary) -> Bool {
    guard showsSpread, summary.varies else { return false }
    guard hidesSpreadBelowDigits, case .decimals(let decimals, _) = digits else { return true }
    let deviation = DecimalText.fixed(summary.standardDeviation ?? 0, decimals: decimals)
    return deviation.contains { $0 != "0" && $0 != "." }
  }
}

/// A quantity over the replicates of one row.
struct TableCell {
  /// Mean, and ± where replicates differ; `–` for nothing.
  var number: String
  /// The unrounded values behind the number; nil if some are not finite.
  var summary: SampleSummary?
  /// The unrounded mean, if it can be compared.
  var mean: Double?
  var isBest = false
  var hasInterval = false
  /// A metric whose budget admitted one plan only.
  var isForced = false
  /// Differs from the baseline.
  var isSignificant = false

  /// Mean, and ± sample standard deviation where replicates differ.
  ///
  /// - Parameters:
  ///   - readings: One per run; nil where the run did not measure the quantity.
  ///   - quantity: How to print them.
  ///   - interval: Of a single run, printed behind the number.
  ///   - isForced: Marks a metric whose budget admitted one plan only.
  init(
    _ readings: [Reading?], of quantity: Quantity, interval: MetricInterval? = nil, isForced: Bool
  ) {
    let measured = readings.compactMap(\.self)
    let finite = measured.compactMap { reading -> Double? in
      if case .finite(let value) = reading { return value }
      return nil
    }
    guard !measured.isEmpty else {
      number = "–"
      return
    }
    if finite.count == measured.count, let summary = SampleSummary(finite) {
      number = Self.text(summary, quantity)
      if let interval {
        number += Self.text(interval, quantity)
        hasInterval = true
      }
      if measured.count < readings.count { number += " (\(measured.count) of \(readings.count))" }
      self.summary = summary
      mean = isForced ? nil : summary.mean
    } else {
      number = Self.special(measured)
    }
    if isForced, case .metric = quantity.source { self.isForced = true }
  }

  /// Markdown.
  var text: String {
    (isBest ? "**\(number)**" : number) + (isSignificant ? TableTests.mark : "")
      + (isForced ? " *forced*" : "")
  }

  /// ` [low, high]`.
  private static func text(_ interval: MetricInterval, _ quantity: Quantity) -> String {
    " [\(text(interval.lower, quantity)), \(text(interval.upper, quantity))]"
  }

  private static func text(_ value: Double, _ quantity: Quantity) -> String {
    switch quantity.digits {
    case .decimals(let decimals, _): DecimalText.fixed(value, decimals: decimals)
    case .significant(let digits): DecimalText.significant(value, digits: digits)
    }
  }

  private static func text(_ summary: SampleSummary, _ quantity: Quantity) -> String {
    guard quantity.shows(summary), let deviation = summary.standardDeviation else {
      return text(summary.mean, quantity)
    }
    var decimals = DecimalText.decimals(for: deviation, significant: 2)
    if case .decimals(let exact, exactly: true) = quantity.digits { decimals = exact }
    return DecimalText.fixed(summary.mean, decimals: decimals) + " ± "
      + DecimalText.fixed(deviation, decimals: decimals)
  }

  /// The mean of values of which some are not finite is not finite either.
  private static func special(_ readings: [Reading]) -> String {
    let bad = readings.map(\.value).filter { !$0.isFinite }
    let text = DecimalText.special(bad.reduce(0, +))
    return bad.count < readings.count ? "\(text) (\(bad.count) of \(readings.count))" : text
  }
}
