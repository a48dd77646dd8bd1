/// Why a report cannot be made from a spec that is well formed.
public enum ReportError: Error, Equatable {
  case differentDefinitions(
    table: String, metric: String, scope: String, first: String, second: String)
  case mixedPoints(name: String, axis: String, labels: [String])
  case nothingToDraw(figure: String)
  case noSuchCell(String, known: [String])
  case unsupportedData(path: String, format: String, version: Int)
  case unreadable(path: String, cause: String)
  case gnuplotMissing
  case gnuplotFailed(figure: String, message: String)
}

extension ReportError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .differentDefinitions(let table, let metric, let scope, let first, let second):
      "\(table): \(metric) (\(scope)) was measured by two definitions, \(first) and \(second), "
        + "which never share a column; restrict the rows with \"where\" or make two tables."
    case .mixedPoints(let name, let axis, let labels):
      "\(name) would average over the axis \(axis) (\(labels.joined(separator: ", "))); add it to "
        + "\"rows\", or choose one label with \"where\"."
    case .nothingToDraw(let figure):
      "Figure \(figure) has no point with both coordinates; check its x, y and the finished runs."
    case .noSuchCell(let name, let known):
      "There is no \"\(name)\"; there are \(known.joined(separator: ", "))."
    case .unsupportedData(let path, let format, let version):
      "\(path) is \(format) version \(version), expected \(ReportData.format) version "
        + "\(ReportData.version); render it with the program that wrote it, or collect it again."
    case .unreadable(let path, let cause):
      "\(path) cannot be read (\(cause)). Collect the report data again."
    case .gnuplotMissing:
      "gnuplot is not installed, and figures are drawn by it: apt-get install gnuplot-nox."
    case .gnuplotFailed(let figure, let message):
      "gnuplot could not draw figure \(figure): \(message)"
    }
  }
}
