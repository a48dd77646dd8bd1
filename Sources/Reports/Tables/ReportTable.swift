import Experiments

/// A table with its legend and footnotes, ready to print.
struct ReportTable {
  let contents: TableContents
  /// A row a group, a cell a quantity.
  let cells: [[TableCell]]
  let tests: TableTests?
  let variance: VarianceTable?
  private let notes: MissingNotes

  /// Aggregates the runs of `data` as `spec` says.
  init(_ spec: TableSpec, data: ReportData) throws {
    let contents = try TableContents(spec, data: data)
    let (groups, quantities) = (contents.groups, contents.quantities)
    var cells = groups.map { group in
      quantities.map { quantity in
        TableCell(
          group.rows.map { contents.catalog.reading(of: quantity, in: $0) }, of: quantity,
          interval: group.rows.count == 1
            ? contents.catalog.interval(of: quantity, in: group.rows[0]) : nil,
          isForced: group.isForced)
      }
    }
    if let axis = spec.bestWithin {
      BestValues(groups: groups, key: spec.rows.firstIndex(of: axis))
        .setInBold(&cells, quantities: quantities)
    }
    tests = try TableTests(contents, comparisons: data.comparisons ?? [])
    tests?.mark(&cells)
    variance = VarianceTable(contents, variances: data.variances ?? [])
    self.contents = contents
    self.cells = cells
    notes = MissingNotes(groups)
  }

  var name: String { contents.spec.name }

  /// Ids of the metric definitions behind the numbers.
  var definitions: Set<String> {
    contents.quantities.reduce(into: []) { ids, quantity in
      ids.formUnion(
        contents.catalog.definitions(of: quantity, in: contents.groups.flatMap(\.rows)))
    }
  }

  /// Sentences under the table.
  var legend: [String] {
    TableLegend(
      groups: contents.groups, quantities: contents.quantities,
      metrics: contents.metrics.map(\.definition),
      hasIntervals: cells.joined().contains(where: \.hasInterval),
      marksBest: contents.spec.bestWithin
    ).sentences + (tests?.sentences ?? [])
  }

  var showsRuns: Bool { contents.groups.contains { $0.rows.count != 1 } }

  private var table: PipeTable {
    PipeTable(
      header: contents.spec.rows + (showsRuns ? ["runs"] : []) + contents.quantities.map(\.title),
      labelColumns: contents.spec.rows.count,
      rows: zip(contents.groups.indices, cells).map { index, cells in
        notes.marked(contents.groups[index].labels, row: index)
          + (showsRuns ? ["\(contents.groups[index].rows.count)"] : []) + cells.map(\.text)
      })
  }

  var markdown: String {
    let title = ["**Table \(name).**", contents.spec.caption].compactMap(\.self)
      .joined(separator: " ")
    var parts = [title + "\n", table.markdown]
    if !legend.isEmpty { parts.append(legend.joined(separator: " ") + "\n") }
    if !notes.lines.isEmpty { parts.append(notes.lines.joined(separator: "\n") + "\n") }
    if let tests { parts.append(tests.markdown) }
    if let variance { parts.append(variance.markdown) }
    return parts.joined(separator: "\n")
  }
}
