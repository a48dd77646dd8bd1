import Experiments

extension ReportData {
  /// Collects the results of the runs that a spec plans.
  ///
  /// - Parameters:
  ///   - spec: Gives the name, the axes, the tables and the figures.
  ///   - plan: The state of every run; those that are not done become missing points.
  ///   - workspace: Where the runs' items lie, for tables that compare; nil leaves comparisons out.
  ///   - result: The result of a run, nil if it cannot be read.
  /// - Returns: The runs in the order of the grid.
  /// - Throws: Errors of encoding a metric definition.
  public static func collect(
    _ spec: ExperimentSpec, plan: ExperimentPlan, in workspace: Workspace? = nil,
    result: (_ run: String) -> RunResult?
  ) throws -> ReportData {
    var results: [RunResult] = []
    var missing: [MissingPoint] = []
    for point in plan.runs {
      if point.state == .done, let complete = result(point.run) {
        results.append(complete)
      } else {
        missing.append(MissingPoint(point))
      }
    }
    var data = try collect(
      experiment: spec.name, spec: spec.digest, results: results, missing: missing,
      axes: spec.reportAxes, tables: spec.tables, figures: spec.figures)
    if let workspace { try data.addComparisons(of: results, in: workspace) }
    return data
  }
}

extension ExperimentSpec {
  /// The axes as reports order and check them.
  public var reportAxes: [ReportAxis] {
    axes.map { ReportAxis(name: $0.name, labels: $0.options.map(\.label)) }
  }
}

extension MissingPoint {
  /// A planned run without a result, with the first line of its failure.
  public init(_ point: PlannedPoint) {
    let failure = point.error?.split(whereSeparator: \.isNewline).first.map { "failed: \($0)" }
    self.init(axes: point.axes, seeds: point.seeds, reason: failure ?? "not run")
  }
}
