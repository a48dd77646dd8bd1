import Experiments
import Statistics

/// The tests of a table's cells against its baseline, as one family.
struct TableTests {
  /// A cell that is compared.
  struct Entry {
    var row: Int
    var column: Int
    var comparison: MetricComparison
    /// Of the row that it is compared with.
    var baseline: Int
    /// As the table's `test` chooses; nil where nothing varies.
    var pValue: Double?
    /// After the correction.
    var adjusted: Double?
  }

  static let mark = "†"

  let contents: TableContents
  let entries: [Entry]
  /// Tests that the correction counts: perplexity and bits per byte of one text are one.
  let familySize: Int
  /// Why cells that should be compared are not, each reason once.
  let refusals: [String]
  /// Names of columns with cells that have a number and a baseline but no items to pair.
  let withoutItems: [String]

  /// Finds the comparisons of a table; nil for one without a baseline.
  ///
  /// - Throws: ``StatisticsError`` for p-values that are none.
  init?(_ contents: TableContents, comparisons: [ReportComparison]) throws {
    guard contents.spec.baseline != nil else { return nil }
    let mine = comparisons.filter { $0.table == contents.spec.name }
    var entries: [Entry] = []
    var refusals: [String] = []
    var withoutItems: [String] = []
    for (row, baseline) in contents.baselinePairs {
      for column in contents.quantities.indices {
        guard case .metric = contents.quantities[column].source,
          let id = contents.definition(of: column)?.id
        else { continue }
        guard
          let found = mine.first(where: {
            $0.definition == id && $0.row == contents.groups[row].labels
          })
        else {
          let name = contents.quantities[column].name
          if !withoutItems.contains(name) { withoutItems.append(name) }
          continue
        }
        if let refusal = found.refusal, !refusals.contains(refusal) { refusals.append(refusal) }
        guard let result = found.result else { continue }
        let isOverItems = contents.spec.test.population == .items
        entries.append(
          Entry(
            row: row, column: column, comparison: result, baseline: baseline,
            pValue: isOverItems ? result.itemP : result.pValue))
      }
    }
    familySize = try Self.adjust(&entries, contents)
    self.contents = contents
    self.entries = entries
    self.refusals = refusals
    self.withoutItems = withoutItems
  }

  /// Fills in the adjusted p-values.
  ///
  /// - Returns: The number of distinct tests.
  private static func adjust(
    _ entries: inout [Entry], _ contents: TableContents
  ) throws -> Int {
    var places: [String: Int] = [:]
    var family: [Double] = []
    for entry in entries {
      guard let p = entry.pValue else { continue }
      let key = contents.hypothesis(row: entry.row, column: entry.column)
      guard places[key] == nil else { continue }
      places[key] = family.count
      family.append(p)
    }
    let adjusted =
      contents.spec.test.correction == .holm ? try holmAdjusted(family) : family
    for index in entries.indices where entries[index].pValue != nil {
      let key = contents.hypothesis(row: entries[index].row, column: entries[index].column)
      entries[index].adjusted = places[key].map { adjusted[$0] }
    }
    return family.count
  }

  func isSignificant(_ entry: Entry) -> Bool {
    entry.adjusted.map { $0 <= contents.spec.test.alpha } ?? false
  }

  func mark(_ cells: inout [[TableCell]]) {
    for entry in entries where isSignificant(entry) {
      cells[entry.row][entry.column].isSignificant = true
    }
  }
}

extension TableContents {
  func definition(of column: Int) -> ColumnMetric? {
    catalog.definition(of: quantities[column], in: groups.flatMap(\.rows))
  }

  /// What a test asks: one name for metrics that are the same numbers in other units.
  fileprivate func hypothesis(row: Int, column: Int) -> String {
    guard let metric = definition(of: column)?.definition else { return "\(row) \(column)" }
    return "\(row) \(Self.measure(ofMetric: metric.name)) \(metric.scope)"
  }

  /// What a metric measures: perplexity, bits per byte and per word are one thing.
  static func measure(ofMetric name: String) -> String {
    ["perplexity", "bits-per-byte", "word-perplexity"].contains(name) ? "loss" : name
  }

  /// `random`, or `method random, bits 3`.
  fileprivate var baselineTitle: String {
    guard let baseline = spec.baseline else { return "" }
    guard baseline.count > 1 else { return baseline.values.first ?? "" }
    return spec.rows.compactMap { axis in baseline[axis].map { "\(axis) \($0)" } }
      .joined(separator: ", ")
  }
}

extension TableTests {
  /// What was tested and how, for the legend.
  var sentences: [String] {
    guard !entries.isEmpty else {
      return [["No cell is tested.", untested].compactMap(\.self).joined(separator: " ")]
    }
    return [claim, method, untested].compactMap(\.self)
  }

  private var claim: String {
    let test = contents.spec.test
    let others = contents.spec.rows.filter { contents.spec.baseline?[$0] == nil }
    let equal = others.isEmpty ? "" : " at equal \(others.joined(separator: " and "))"
    let family = familySize == 1 ? "one test" : "\(familySize) tests"
    let correction =
      test.correction == .holm
      ? "Holm's correction for the \(family) of this table"
      : "not corrected for the \(family) of this table"
    return "\(Self.mark) differs from \(contents.baselineTitle)\(equal) with p ≤ \(test.alpha), "
      + "\(correction) (perplexity and bits per byte of one text are one test); "
      + "\(entries.count(where: isSignificant)) of \(entries.count) compared cells."
  }

  private var method: String {
    let kinds = MetricComparison.Test.allCases.compactMap { test -> String? in
      let mine = entries.filter { $0.comparison.test == test }
      guard let first = mine.first else { return nil }
      guard test == .crossed else { return "\(test.rawValue) of one run against one" }
      return contents.spec.test.population == .items
        ? "paired t over items of the means over replicates, for these seeds only"
        : "\(test.rawValue) over \(Self.design(first))"
    }
    let samples = entries.map(\.comparison).reduce(into: [String]()) { samples, comparison in
      let text = "\(DecimalText.grouped(comparison.items)) \(comparison.noun)"
      if !samples.contains(text) { samples.append(text) }
    }
    return "Tests: \(kinds.joined(separator: "; ")); n = \(samples.joined(separator: ", "))."
      + (strata ?? "")
  }

  /// Of metrics over several texts.
  private var strata: String? {
    let counts = Set(entries.compactMap(\.comparison.strata)).sorted()
    guard !counts.isEmpty else { return nil }
    return
      " A metric over \(counts.map { "\($0)" }.joined(separator: " or ")) texts or subjects is "
      + "tested over the items within each of them: what differs between them is no chance."
  }

  private static func design(_ entry: Entry) -> String {
    let factors = entry.comparison.factors.map { "\($0.levels) \($0.name) seeds" }
    return "\(factors.joined(separator: " × ")) and items"
  }

  private var untested: String? {
    let forced = contents.groups.contains(where: \.isForced)
    let sentences =
      (forced ? ["*Forced* rows, and rows whose baseline is, enter no test."] : [])
      + (withoutItems.isEmpty
        ? [] : ["Not tested, having no items: \(withoutItems.joined(separator: "; "))."]) + refusals
    return sentences.isEmpty ? nil : sentences.joined(separator: " ")
  }

  /// Every test in a table of its own, folded.
  var markdown: String {
    guard !entries.isEmpty else { return "" }
    let level = DecimalText.fixed(100 * entries[0].comparison.level, decimals: 0)
    let table = PipeTable(
      header: contents.spec.rows + [
        "metric", "difference", "\(level) % interval", "p", "adjusted p", "p, items", "p, seeds",
        "n", "detectable", "equivalent",
      ], labelColumns: contents.spec.rows.count + 1,
      rows: entries.map { entry in
        let words = ComparisonText(entry.comparison)
        return contents.groups[entry.row].labels + [
          contents.quantities[entry.column].name, words.difference, words.interval,
          ComparisonText.p(entry.pValue), ComparisonText.p(entry.adjusted),
          ComparisonText.p(entry.comparison.itemP), ComparisonText.p(entry.comparison.seedP),
          words.count, words.detectable, words.equivalence,
        ]
      })
    return """
      <details><summary>Tests of table \(contents.spec.name): differences from \
      \(contents.baselineTitle)</summary>

      \(table.markdown)
      Differences are row − \(contents.baselineTitle), perplexities by their ratio; intervals are of \
      single tests. p, items: with these seeds; p, seeds: with these items; a crossed t \
      takes for each seed stream and for items their own degrees of freedom. Detectable: the smallest \
      true difference that a repetition of these runs finds with chance \
      \(DecimalText.fixed(100 * entries[0].comparison.power, decimals: 0)) % at \
      α = \(entries[0].comparison.alpha), before correction. Equivalent: shown to be within the margin \
      by two one-sided tests.

      </details>

      """
  }
}
