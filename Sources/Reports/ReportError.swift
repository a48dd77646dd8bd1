/// Why a report cannot be made.
public enum ReportError: Error, Equatable {
  case unknownKey(pointer: String, nearest: String?, allowed: [String])
  case missingKey(pointer: String)
  case wrongType(pointer: String, expected: String)
  case unknownName(pointer: String, name: String, kind: String, nearest: String?, known: [String])
  case ambiguousColumn(pointer: String, keys: [String])
  case duplicateName(pointer: String, name: String)
  case differentDefinitions(
    table: String, metric: String, scope: String, first: String, second: String)
  case mixedPoints(name: String, axis: String, labels: [String])
  case nothingToDraw(figure: String)
  case unsupportedData(path: String, format: String, version: Int)
  case unreadable(path: String, cause: String)
  case gnuplotMissing
  case gnuplotFailed(figure: String, message: String)
}

extension ReportError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknownKey(let pointer, let nearest, let allowed):
      "Unknown key \(pointer)\(Self.hint(nearest)); allowed here: \(allowed.joined(separator: ", "))."
    case .missingKey(let pointer):
      "\(pointer) is missing; add it."
    case .wrongType(let pointer, let expected):
      "\(pointer) must be \(expected)."
    case .unknownName(let pointer, let name, let kind, let nearest, let known):
      "\(pointer): no \(kind) is named \"\(name)\"\(Self.hint(nearest)); "
        + "known: \(known.joined(separator: ", "))."
    case .ambiguousColumn(let pointer, let keys):
      "\(pointer) needs exactly one of ledger, metric, cost, count, "
        + "got \(keys.isEmpty ? "none" : keys.joined(separator: ", ")); split it into columns."
    case .duplicateName(let pointer, let name):
      "\(pointer): the name \"\(name)\" is taken; names of tables and of figures are unique."
    case .differentDefinitions(let table, let metric, let scope, let first, let second):
      "\(table): \(metric) (\(scope)) was measured by two definitions, \(first) and \(second), "
        + "which never share a column; restrict the rows with \"where\" or make two tables."
    case .mixedPoints(let name, let axis, let labels):
      "\(name) would average over the axis \(axis) (\(labels.joined(separator: ", "))); add it to "
        + "\"rows\", or choose one label with \"where\"."
    case .nothingToDraw(let figure):
      "Figure \(figure) has no point with both coordinates; check its x, y and the finished runs."
    case .unsupportedData(let path, let format, let version):
      "\(path) is \(format) version \(version), expected \(ReportData.format) version "
        + "\(ReportData.version); render it with the program that wrote it, or collect it again."
    case .unreadable(let path, let cause):
      "\(path) cannot be read: \(cause). Collect the report data again."
    case .gnuplotMissing:
      "gnuplot is not installed, and figures are drawn by it: apt-get install gnuplot-nox."
    case .gnuplotFailed(let figure, let message):
      "gnuplot could not draw figure \(figure): \(message)"
    }
  }

  private static func hint(_ nearest: String?) -> String {
    nearest.map { ", did you mean \"\($0)\"?" } ?? ""
  }
}
