import Experiments
import Statistics

/// The points of a figure, aggregated over replicates.
struct FigureData {
  /// Means, with the sample standard deviation of y where replicates differ.
  struct Point: Equatable {
    var x: Double
    var y: Double
    var deviation: Double?
  }

  struct Series: Equatable {
    var name: String
    /// In the order of x.
    var points: [Point]
  }

  var series: [Series]
  /// The unquantized model.
  var reference: (name: String, y: Double)?
  var xTitle: String
  var yTitle: String
  var isLogarithmic: Bool
  var joinsPoints: Bool
  /// What the error bars are; nil if there are none.
  var legend: String?
  /// Ids of the metric definitions behind the points.
  var definitions: Set<String> = []

  /// Aggregates the runs of `data` as `spec` says; points without a finite coordinate are left out.
  init(_ spec: FigureSpec, data: ReportData) throws {
    let others = data.axes.map(\.name).filter { $0 != spec.series }
    let grouping = PointGrouping(
      axes: data.axes, keys: [spec.series] + others, filter: spec.filter,
      reference: spec.reference)
    let groups = try grouping.groups(of: data, name: "Figure \(spec.name)")
    let catalog = QuantityCatalog(data, showing: groups)
    let x = try Self.quantity(spec.x, in: catalog)
    let y = try Self.quantity(spec.y, in: catalog)
    for quantity in [x, y] {
      try catalog.checkDefinition(
        of: quantity, in: groups.flatMap(\.rows), table: "Figure \(spec.name)")
    }
    for quantity in [x, y] {
      definitions.formUnion(catalog.definitions(of: quantity, in: groups.flatMap(\.rows)))
    }
    xTitle = x.title
    yTitle = y.title
    series = Self.series(groups.filter { !$0.isReference }, x, y, catalog)
    reference = groups.first(where: \.isReference).flatMap { group in
      Self.summary(of: y, in: group, catalog).map { (spec.reference, $0.mean) }
    }
    joinsPoints = spec.kind == .line
    legend = nil
    isLogarithmic = false
    guard !series.isEmpty else { throw ReportError.nothingToDraw(figure: spec.name) }
    isLogarithmic = spec.logY ?? spansMoreThanTenfold
    if hasErrorBars { legend = ReplicateDesigns(groups).sentence.map { "Bars: \($0)" } }
  }

  private static func quantity(
    _ column: ColumnSpec, in catalog: QuantityCatalog
  ) throws(SpecError) -> Quantity {
    try column.checkDrawable()
    let quantities = try catalog.quantities(for: column)
    guard let quantity = quantities.first else {
      preconditionFailure("no quantity for \(column.source)")
    }
    return quantity
  }

  private static func series(
    _ groups: [PointGroup], _ x: Quantity, _ y: Quantity, _ catalog: QuantityCatalog
  ) -> [Series] {
    var series: [Series] = []
    for group in groups {
      guard let name = group.labels.first, let across = summary(of: x, in: group, catalog),
        let up = summary(of: y, in: group, catalog)
      else { continue }
      let point = Point(
        x: across.mean, y: up.mean, deviation: up.varies ? up.standardDeviation : nil)
      if series.last?.name != name { series.append(Series(name: name, points: [])) }
      series[series.count - 1].points.append(point)
    }
    return series.map { line in
      Series(name: line.name, points: line.points.sorted { ($0.x, $0.y) < ($1.x, $1.y) })
    }
  }

  /// nil unless every run gave a finite value.
  private static func summary(
    of quantity: Quantity, in group: PointGroup, _ catalog: QuantityCatalog
  ) -> SampleSummary? {
    let values = group.rows.compactMap { catalog.reading(of: quantity, in: $0)?.value }
    return values.allSatisfy(\.isFinite) ? SampleSummary(values) : nil
  }
}

extension FigureData {
  /// Every y that is drawn, ends of error bars included.
  var ordinates: [Double] {
    series.flatMap(\.points).flatMap { point in
      [point.y - (point.deviation ?? 0), point.y + (point.deviation ?? 0)]
    } + (reference.map { [$0.y] } ?? [])
  }

  private var spansMoreThanTenfold: Bool {
    let means = series.flatMap(\.points).map(\.y) + (reference.map { [$0.y] } ?? [])
    guard let low = means.min(), let high = means.max(), low > 0 else { return false }
    return high > 10 * low
  }

  var hasErrorBars: Bool { series.flatMap(\.points).contains { $0.deviation != nil } }
}
