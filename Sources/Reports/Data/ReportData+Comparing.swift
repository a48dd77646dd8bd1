import Experiments
import Foundation

extension ReportData {
  /// Adds what the tables of the spec ask for beyond the runs' own results: comparisons with
  /// baselines, split variances, errors over items.
  ///
  /// - Parameters:
  ///   - results: The results behind ``rows``.
  ///   - workspace: Where the items of the runs lie.
  /// - Throws: ``SpecError`` and ``ReportError`` for tables that cannot be made. Items that cannot be
  ///   read, or compared, are noted in the data as the reason why there is no number.
  public mutating func addComparisons(of results: [RunResult], in workspace: Workspace) throws {
    var comparer = RowComparer(results: results, workspace: workspace)
    var (compared, split): ([ReportComparison], [ReportVariance]) = ([], [])
    for spec in try TableSpec.decode(tables, axes: axes) {
      let contents = try TableContents(spec, data: self)
      if spec.baseline != nil {
        compared += contents.baselinePairs.flatMap {
          comparer.comparisons(contents, row: $0.row, baseline: $0.baseline)
        }
      }
      if spec.showsVariance { split += comparer.variances(contents) }
      comparer.addItemErrors(contents, to: &rows)
    }
    comparisons = compared.isEmpty ? nil : compared
    variances = split.isEmpty ? nil : split
  }
}

/// Compares rows of tables, opening the items of a run once.
private struct RowComparer {
  let workspace: Workspace
  private let results: [String: RunResult]
  private var groups: [[String]: Result<RunGroup, ComparisonError>] = [:]

  init(results: [RunResult], workspace: Workspace) {
    self.results = Dictionary(results.map { ($0.run, $0) }, uniquingKeysWith: { first, _ in first })
    self.workspace = workspace
  }

  mutating func comparisons(
    _ contents: TableContents, row: Int, baseline: Int
  ) -> [ReportComparison] {
    let (mine, theirs) = (contents.groups[row], contents.groups[baseline])
    return contents.metrics.compactMap { metric in
      var comparison = ReportComparison(
        table: contents.spec.name, row: mine.labels, baseline: theirs.labels,
        definition: metric.id)
      do throws(ComparisonError) {
        guard
          let result = try group(mine).comparison(
            of: metric.definition, with: try group(theirs),
            options: contents.spec.test.comparison)
        else { return nil }
        comparison.result = result
      } catch { comparison.refusal = "\(error)" }
      return comparison
    }
  }

  mutating func variances(_ contents: TableContents) -> [ReportVariance] {
    contents.groups.filter { !$0.rows.isEmpty }.flatMap { row in
      contents.metrics.compactMap { metric -> ReportVariance? in
        var variance = ReportVariance(
          table: contents.spec.name, row: row.labels, definition: metric.id)
        do throws(ComparisonError) {
          guard let items = try group(row).items(of: metric.definition) else { return nil }
          variance.split = try VarianceSplit(of: metric.definition, runs: items)
        } catch { variance.refusal = "\(error)" }
        return variance
      }
    }
  }

  /// A run whose items cannot be read has no error.
  mutating func addItemErrors(_ contents: TableContents, to rows: inout [ReportRow]) {
    let ids = Set(contents.metricsWithItemErrors.map(\.id))
    guard !ids.isEmpty else { return }
    let shown = Set(contents.groups.flatMap(\.rows).map(\.run))
    for row in rows.indices where shown.contains(rows[row].run) {
      guard let result = results[rows[row].run] else { continue }
      for place in rows[row].metrics.indices where ids.contains(rows[row].metrics[place].definition)
      {
        let id = rows[row].metrics[place].definition
        guard let definition = contents.metrics.first(where: { $0.id == id })?.definition else {
          continue
        }
        let items = try? group([result]).items(of: definition)?.first?.items
        rows[row].metrics[place].itemError = try? items?.standardError()
      }
    }
  }

  private mutating func group(_ row: PointGroup) throws(ComparisonError) -> RunGroup {
    try group(row.rows.compactMap { results[$0.run] })
  }

  private mutating func group(_ runs: [RunResult]) throws(ComparisonError) -> RunGroup {
    let names = runs.map(\.run)
    if let known = groups[names] { return try known.get() }
    let workspace = workspace
    let opened = Result { () throws(ComparisonError) in try RunGroup(runs, in: workspace) }
    groups[names] = opened
    return try opened.get()
  }
}
