import Experiments
import Foundation

/// What stands behind one number of a table.
public struct CellExplanation: Sendable {
  /// One run of the cell.
  public struct Run: Sendable, Equatable {
    public var run: String
    public var seeds: [String: Int]
    /// In the printed unit; nil where the run did not measure it.
    public var value: Double?
    public var commit: String
  }

  /// `random, 3`.
  public let row: String
  /// As in the table's head.
  public let column: String
  /// As it is printed.
  public let text: String
  public let runs: [Run]
  /// Of a metric.
  public let definition: (id: String, definition: MetricDefinition)?
  /// With the baseline of the table.
  public let comparison: MetricComparison?
  /// Runs of the baseline.
  public let baselineRuns: [String]
  public let adjustedP: Double?

  /// Finds a cell.
  ///
  /// - Parameters:
  ///   - cell: Labels of the row and name of the column, joined by `/`: `random/3/perplexity`.
  ///   - name: Of the table.
  ///   - data: The report's data.
  /// - Throws: ``ReportError/noSuchCell(_:known:)``, and what making the table throws.
  public init(of cell: String, table name: String, in data: ReportData) throws {
    let specs = try TableSpec.decode(data.tables, axes: data.axes)
    guard let spec = specs.first(where: { $0.name == name }) else {
      throw ReportError.noSuchCell(name, known: specs.map(\.name))
    }
    let table = try ReportTable(spec, data: data)
    let (groups, quantities) = (table.contents.groups, table.contents.quantities)
    let rows = groups.indices.filter { place in
      cell.hasPrefix(groups[place].path + "/")
    }
    // A label may begin another one: the longest fits best.
    guard let row = rows.max(by: { groups[$0].path.count < groups[$1].path.count }) else {
      throw ReportError.noSuchCell(cell, known: groups.map { $0.path + "/…" })
    }
    let wanted = cell.dropFirst(groups[row].path.count + 1)
    guard
      let column = quantities.firstIndex(where: { $0.name == wanted || $0.title == wanted })
    else {
      throw ReportError.noSuchCell(cell, known: quantities.map { "\(groups[row].path)/\($0.name)" })
    }
    let entry = table.tests?.entries.first { $0.row == row && $0.column == column }
    self.row = groups[row].labels.filter { !$0.isEmpty }.joined(separator: ", ")
    self.column = quantities[column].title
    text = table.cells[row][column].text
    runs = groups[row].rows.map { run in
      Run(
        run: run.run, seeds: run.seeds,
        value: table.contents.catalog.reading(of: quantities[column], in: run)?.value,
        commit: run.commit)
    }
    definition = table.contents.definition(of: column)
    comparison = entry?.comparison
    baselineRuns = entry.map { groups[$0.baseline].rows.map(\.run) } ?? []
    adjustedP = entry?.adjusted
  }
}

extension PointGroup {
  /// Labels joined by `/`, those left out that say nothing.
  fileprivate var path: String { labels.filter { !$0.isEmpty }.joined(separator: "/") }
}
