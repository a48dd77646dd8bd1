import Experiments
import Foundation
import JSON
import Reports

/// What `assay compare` says of two runs, or of two methods with their replicates.
struct RunComparisonOutput {
  private struct Entry {
    let definition: MetricDefinition
    let comparison: MetricComparison
    let changes: [ItemChange]
  }

  private let first: RunSelection
  private let second: RunSelection
  private let entries: [Entry]
  /// Metrics without items.
  private let skipped: [MetricDefinition]

  /// Compares; differences are the second minus the first.
  ///
  /// - Throws: ``ComparisonError`` and what reading the workspace throws.
  init(
    _ first: String, _ second: String, options: RunComparisonOptions, in workspace: Workspace
  ) throws {
    self.first = try RunSelection(first, in: workspace)
    self.second = try RunSelection(second, in: workspace)
    let baseline = try RunGroup(self.first.results, in: workspace)
    let candidate = try RunGroup(self.second.results, in: workspace)
    let definitions = try candidate.definitions(sharedWith: baseline, named: options.metric)
    var entries: [Entry] = []
    for definition in definitions {
      guard
        let comparison = try candidate.comparison(
          of: definition, with: baseline, options: options.comparison)
      else { continue }
      entries.append(
        Entry(
          definition: definition, comparison: comparison,
          changes: try candidate.changes(of: definition, from: baseline, limit: options.top)))
    }
    self.entries = entries
    skipped = definitions.filter { definition in
      !entries.contains { $0.definition == definition }
    }
  }

  func write(_ format: FormatOption.Format) throws {
    switch format {
    case .json: try StandardOutput.write(PrettyJSON.text(try json, sortingKeys: false))
    case .csv: try StandardOutput.write(numbers.text(.csv))
    case .text, .md: try StandardOutput.write(text(format))
    }
  }

  private func text(_ format: FormatOption.Format) -> String {
    var parts = [
      "first:  \(first.title), \(Self.runs(first))\nsecond: \(second.title), \(Self.runs(second))\n",
      words.text(format), notes.map { $0 + "\n" }.joined(),
    ]
    // Two metrics of the same items list the same changes once.
    var shown: [[String]] = []
    for entry in entries where !entry.changes.isEmpty && entry.definition.scope != "all" {
      let items = entry.changes.map(\.item)
      if entry.definition.name == "bits-per-byte", shown.contains(items) { continue }
      shown.append(items)
      parts.append(
        "\(entry.definition.title): \(entry.comparison.noun) that differ most\n"
          + Self.table(of: entry).text(format))
    }
    return parts.joined(separator: "\n")
  }

  private static func runs(_ selection: RunSelection) -> String {
    selection.results.count == 1 ? "1 run" : "\(selection.results.count) runs"
  }

  private var words: DataTable {
    var table = DataTable([
      "metric", "first", "second", "difference", "interval", "p", "test", "n", "lost/gained",
      "detectable", "equivalent",
    ])
    for entry in entries {
      let words = ComparisonText(entry.comparison)
      table.append(
        ([
          entry.definition.title, words.baseline, words.candidate, words.difference, words.interval,
        ]
          + [words.pValue, entry.comparison.test.rawValue, words.count, words.discordant]
          + [words.detectable, words.equivalence]).map { JSONValue($0) })
    }
    return table
  }

  private var notes: [String] {
    guard let any = entries.first?.comparison else { return [] }
    let factors = any.factors.map { "\($0.levels) \($0.name) seeds" }
    let seeds =
      factors.isEmpty
      ? "" : " Seeds and items are both drawn anew: \(factors.joined(separator: " × "))."
    let strata = Set(entries.compactMap(\.comparison.strata)).sorted()
    let within =
      strata.isEmpty
      ? ""
      : " Metrics over \(strata.map { "\($0)" }.joined(separator: " or ")) texts or subjects are "
        + "compared over the items within each."
    return [
      "Differences are second − first; intervals cover \(Self.percent(any.level)).\(seeds) "
        + "Perplexities are compared by their ratio.\(within)",
      "Detectable: the smallest true difference that such runs find with chance "
        + "\(Self.percent(any.power)) at α = \(any.alpha), from their measured error.",
      "Equivalent: whether the difference is shown to be within the stated margin at "
        + "α = \(any.alpha) (two one-sided tests).",
      "p-values are of single tests: \(Self.count(entries.count)) shown, none corrected.",
    ]
      + (skipped.isEmpty
        ? []
        : ["No items are kept of \(skipped.map(\.title).joined(separator: ", "))."])
  }

  private static func count(_ comparisons: Int) -> String {
    comparisons == 1 ? "1 comparison" : "\(comparisons) comparisons"
  }

  private static func percent(_ share: Double) -> String {
    DecimalText.significant(100 * share, digits: 3).trimmingZeros + " %"
  }

  private static func table(of entry: Entry) -> DataTable {
    var table = DataTable(["item", "first", "second", "change"])
    for change in entry.changes {
      table.append([
        JSONValue(change.item), JSONValue(change.baseline), JSONValue(change.candidate),
        JSONValue(change.change),
      ])
    }
    return table
  }

  private var numbers: DataTable {
    var table = DataTable([
      "metric", "scope", "first", "second", "difference", "lower", "upper", "unit", "ratio", "p",
      "itemP", "seedP", "test", "items", "clusters", "gained", "lost", "detectable", "margin",
      "equivalenceP",
    ])
    func number(_ value: Double?) -> JSONValue { value.map { JSONValue($0) } ?? nil }
    func integer(_ value: Int?) -> JSONValue { value.map { JSONValue($0) } ?? nil }
    for entry in entries {
      let (definition, result) = (entry.definition, entry.comparison)
      table.append([
        JSONValue(definition.name), JSONValue(definition.scope), JSONValue(result.baseline),
        JSONValue(result.candidate), JSONValue(result.difference.value),
        JSONValue(result.difference.lower), JSONValue(result.difference.upper),
        JSONValue(result.unit), number(result.ratio?.value), number(result.pValue),
        number(result.itemP), number(result.seedP), JSONValue(result.test.rawValue),
        JSONValue(result.items), integer(result.clusters), integer(result.gained),
        integer(result.lost), number(result.detectable), JSONValue(result.margin),
        JSONValue(result.equivalenceP),
      ])
    }
    return table
  }

  private var json: JSONValue {
    get throws {
      func runs(_ selection: RunSelection) -> JSONValue {
        .array(selection.results.map { JSONValue($0.run) })
      }
      return [
        "first": runs(first), "second": runs(second),
        "metrics": .array(
          try entries.map { entry in
            [
              "name": JSONValue(entry.definition.name),
              "scope": JSONValue(entry.definition.scope),
              "comparison": try JSONValue(encoding: entry.comparison),
              "isEquivalent": JSONValue(entry.comparison.isEquivalent),
              "changes": try JSONValue(encoding: entry.changes),
            ]
          }),
        "withoutItems": .array(skipped.map { JSONValue($0.title) }),
      ]
    }
  }
}

extension MetricDefinition {
  fileprivate var title: String { scope == "all" ? name : "\(name), \(scope)" }
}

extension String {
  /// `95.0` as `95`.
  fileprivate var trimmingZeros: String {
    guard contains(".") else { return self }
    var text = self[...]
    while text.hasSuffix("0") { text = text.dropLast() }
    return String(text.hasSuffix(".") ? text.dropLast() : text)
  }
}
