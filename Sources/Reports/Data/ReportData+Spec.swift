import Experiments

extension ReportData {
  /// Collects the results of the runs that a spec plans.
  ///
  /// - Parameters:
  ///   - spec: Gives the name, the axes, the tables and the figures.
  ///   - results: Complete results.
  ///   - missing: Planned runs without a result.
  /// - Returns: The runs in the order of the grid.
  /// - Throws: Errors of encoding a metric definition.
  public static func collect(
    _ spec: ExperimentSpec, results: [RunResult], missing: [MissingPoint]
  ) throws -> ReportData {
    try collect(
      experiment: spec.name, spec: spec.digest, results: results, missing: missing,
      axes: spec.reportAxes, tables: spec.tables, figures: spec.figures)
  }
}

extension ExperimentSpec {
  /// The axes as reports order and check them.
  public var reportAxes: [ReportAxis] {
    axes.map { ReportAxis(name: $0.name, labels: $0.options.map(\.label)) }
  }
}

extension MissingPoint {
  /// A planned run that is not there.
  public init(_ run: PlannedRun, reason: String) {
    self.init(
      axes: run.point.axes,
      seeds: Dictionary(uniqueKeysWithValues: run.seeds.map { ($0.key.rawValue, $0.value) }),
      reason: reason)
  }
}
