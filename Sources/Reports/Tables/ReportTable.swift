import Experiments

/// A table with its legend and footnotes, ready to print.
struct ReportTable {
  var name: String
  var caption: String?
  var table: PipeTable
  /// Sentences under the table, then one footnote per row with missing runs.
  var legend: [String]
  var footnotes: [String]
  /// Ids of the metric definitions behind the numbers.
  var definitions: Set<String> = []
}

extension ReportTable {
  /// Aggregates the runs of `data` as `spec` says.
  init(_ spec: TableSpec, data: ReportData) throws {
    let grouping = PointGrouping(
      axes: data.axes, keys: spec.rows, filter: spec.filter, reference: spec.reference)
    let groups = try grouping.groups(of: data, name: "Table \(spec.name)")
    let catalog = QuantityCatalog(data, showing: groups)
    var quantities: [Quantity] = []
    for column in spec.columns { quantities += try catalog.quantities(for: column) }
    for quantity in quantities {
      try catalog.checkDefinition(
        of: quantity, in: groups.flatMap(\.rows), table: "Table \(spec.name)")
    }
    var cells = groups.map { group in
      quantities.map { quantity in
        TableCell(
          group.rows.map { catalog.reading(of: quantity, in: $0) }, of: quantity,
          isForced: group.isForced)
      }
    }
    if let axis = spec.bestWithin {
      BestValues(groups: groups, key: spec.rows.firstIndex(of: axis))
        .setInBold(&cells, quantities: quantities)
    }
    self.init(spec, groups: groups, quantities: quantities, cells: cells)
    for quantity in quantities {
      definitions.formUnion(catalog.definitions(of: quantity, in: groups.flatMap(\.rows)))
    }
  }

  private init(
    _ spec: TableSpec, groups: [PointGroup], quantities: [Quantity], cells: [[TableCell]]
  ) {
    let showsRuns = groups.contains { $0.rows.count != 1 }
    let notes = MissingNotes(groups)
    name = spec.name
    caption = spec.caption
    legend =
      TableLegend(groups: groups, quantities: quantities, marksBest: spec.bestWithin)
      .sentences
    footnotes = notes.lines
    table = PipeTable(
      header: spec.rows + (showsRuns ? ["runs"] : []) + quantities.map(\.title),
      labelColumns: spec.rows.count,
      rows: zip(groups.indices, cells).map { index, cells in
        notes.marked(groups[index].labels, row: index)
          + (showsRuns ? ["\(groups[index].rows.count)"] : []) + cells.map(\.text)
      })
  }

  var markdown: String {
    let title = ["**Table \(name).**", caption].compactMap(\.self).joined(separator: " ")
    var parts = [title + "\n", table.markdown]
    if !legend.isEmpty { parts.append(legend.joined(separator: " ") + "\n") }
    if !footnotes.isEmpty { parts.append(footnotes.joined(separator: "\n") + "\n") }
    return parts.joined(separator: "\n")
  }
}
