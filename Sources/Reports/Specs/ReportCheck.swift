import Experiments
import JSON

/// Refuses tables and figures that no run could fill, before anything is computed.
public enum ReportCheck {
  /// - Parameters:
  ///   - spec: Its `tables` and `figures` are read.
  ///   - points: Its grid.
  ///   - names: What results can be named.
  /// - Throws: ``SpecError`` with file and place; ``ReportError/mixedPoints(name:axis:labels:)`` for
  ///   rows that would average over an axis.
  public static func check(
    _ spec: ExperimentSpec, points: [GridPoint], names: ResultNames
  ) throws {
    do {
      let tables = try TableSpec.decode(spec.tables, axes: spec.reportAxes)
      let figures = try FigureSpec.decode(spec.figures, axes: spec.reportAxes)
      _ = try AnalysisSpec.decode(spec.analyses, axes: spec.reportAxes)
      for column in tables.flatMap(\.columns) { try column.check(names) }
      for column in figures.flatMap({ [$0.x, $0.y] }) {
        try column.checkDrawable()
        try column.check(names)
      }
      let data = try emptyData(of: spec, points: points)
      for table in tables { _ = try ReportTable(table, data: data) }
    } catch let error as SpecError {
      throw SpecError(error.problem, at: error.pointer, file: spec.file?.relativePath)
    }
  }

  /// How many tests the largest table of a spec will hold; perplexity and bits per byte of one text
  /// are one. Budgets that admit a single plan, whose rows enter no test, are not known before.
  ///
  /// - Parameters:
  ///   - spec: Its `tables` are read.
  ///   - points: Its grid.
  ///   - names: What results can be named.
  /// - Returns: 0 without a table that has a baseline.
  /// - Throws: As ``check(_:points:names:)``.
  public static func testCount(
    of spec: ExperimentSpec, points: [GridPoint], names: ResultNames
  ) throws -> Int {
    let data = try emptyData(of: spec, points: points)
    return try TableSpec.decode(spec.tables, axes: spec.reportAxes).map { table in
      let rows = try TableContents(table, data: data).expectedPairs.count
      var hypotheses: Set<String> = []
      for column in table.columns {
        guard case .metric(let name, let scope) = column.source, name != "fitness" else { continue }
        let measure = TableContents.measure(ofMetric: name)
        // What runs of lm-eval may bring has no baseline here.
        let scopes =
          scope == "*"
          ? (names.metrics[name] ?? []).filter { !LmEvalResults.isExternal(scope: $0) } : [scope]
        hypotheses.formUnion(scopes.map { "\(measure) \($0)" })
      }
      return rows * hypotheses.count
    }.max() ?? 0
  }

  /// The grid as it is before its first run.
  private static func emptyData(
    of spec: ExperimentSpec, points: [GridPoint]
  ) throws -> ReportData {
    try ReportData.collect(
      experiment: spec.name, spec: spec.digest, results: [],
      missing: points.map { MissingPoint(axes: $0.axes, seeds: [:], reason: "not run") },
      axes: spec.reportAxes, tables: spec.tables, figures: spec.figures)
  }
}

extension ColumnSpec {
  fileprivate func check(_ names: ResultNames) throws(SpecError) {
    switch source {
    case .ledger(let name): try check(name, "ledger", names.ledgers)
    case .count(let name): try check(name, "count", names.counts)
    case .cost(_, let stages):
      for stage in stages ?? [] { try check(stage, "stages", names.stages) }
    case .metric(let name, let scope), .itemError(let name, let scope):
      try check(name, "metric", Set(names.metrics.keys))
      if scope != "*" { try check(scope, "scope", names.metrics[name] ?? []) }
    }
  }

  private func check(
    _ name: String, _ key: String, _ known: Set<String>
  ) throws(SpecError) {
    try SpecObject.check(name, among: known.sorted(), at: pointer.appending(key))
  }

  /// A figure draws one number a point.
  func checkDrawable() throws(SpecError) {
    guard case .metric(_, scope: "*") = source else { return }
    throw SpecError(.invalid("A figure draws one scope, not *."), at: pointer.appending("scope"))
  }
}
