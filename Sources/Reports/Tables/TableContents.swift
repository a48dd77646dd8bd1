import Experiments

/// The rows and columns of a table, before anything is printed or tested.
struct TableContents {
  let spec: TableSpec
  let groups: [PointGroup]
  let quantities: [Quantity]
  let catalog: QuantityCatalog

  /// Sorts the runs of `data` into rows and resolves the columns.
  ///
  /// - Throws: ``ReportError`` for rows that mix points, or a column of two definitions;
  ///   ``SpecError`` for a column that nothing measured.
  init(_ spec: TableSpec, data: ReportData) throws {
    let grouping = PointGrouping(
      axes: data.axes, keys: spec.rows, filter: spec.filter, reference: spec.reference)
    groups = try grouping.groups(of: data, name: "Table \(spec.name)")
    catalog = QuantityCatalog(data, showing: groups)
    var quantities: [Quantity] = []
    for column in spec.columns { quantities += try catalog.quantities(for: column) }
    for quantity in quantities {
      try catalog.checkDefinition(
        of: quantity, in: groups.flatMap(\.rows), table: "Table \(spec.name)")
    }
    self.spec = spec
    self.quantities = quantities
  }

  typealias ColumnMetric = (id: String, definition: MetricDefinition)

  /// The definitions of the columns that show a metric, each once.
  var metrics: [ColumnMetric] {
    unique(
      quantities.filter { quantity in
        if case .metric = quantity.source { return true }
        return false
      })
  }

  /// The definitions of the columns that show an error over items.
  var metricsWithItemErrors: [ColumnMetric] {
    unique(
      quantities.filter { quantity in
        if case .itemError = quantity.source { return true }
        return false
      })
  }

  private func unique(_ quantities: [Quantity]) -> [ColumnMetric] {
    var seen: Set<String> = []
    return quantities.compactMap { catalog.definition(of: $0, in: groups.flatMap(\.rows)) }
      .filter { seen.insert($0.id).inserted }
  }

  /// Rows that are tested, each with the row it is tested against.
  ///
  /// The baseline itself has no test, nor has a row without a baseline of equal labels, nor where the
  /// budget forced the plan of either.
  var baselinePairs: [(row: Int, baseline: Int)] {
    expectedPairs.filter { row, baseline in
      !groups[row].rows.isEmpty && !groups[baseline].rows.isEmpty
    }
  }

  /// ``baselinePairs`` once every run is finished, as far as is known.
  var expectedPairs: [(row: Int, baseline: Int)] {
    guard let baseline = spec.baseline else { return [] }
    let isReference = baseline.values.contains(spec.reference)
    return groups.indices.compactMap { row in
      let group = groups[row]
      guard !group.isForced, !group.isReference else { return nil }
      let wanted = zip(spec.rows, group.labels).map { baseline[$0] ?? $1 }
      let place = groups.firstIndex { candidate in
        isReference ? candidate.isReference : candidate.labels == wanted
      }
      guard let place, place != row, !groups[place].isForced else { return nil }
      return (row, place)
    }
  }
}
