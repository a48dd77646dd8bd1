import Experiments
import Foundation

/// Rows of values as RFC 4180 text with line feeds, numbers in full.
struct CSVText {
  private(set) var text = ""

  mutating func append(_ fields: [String]) {
    text += fields.map(Self.quoted).joined(separator: ",") + "\n"
  }

  private static func quoted(_ field: String) -> String {
    guard field.contains(where: { ",\"\n\r".contains($0) }) else { return field }
    return "\"" + field.replacing("\"", with: "\"\"") + "\""
  }

  static func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
}

extension ReportTable {
  /// Labels, runs, and for every column the unrounded mean and sample standard deviation.
  var csv: String {
    var text = CSVText()
    text.append(
      contents.spec.rows + ["runs", "forced"]
        + contents.quantities.flatMap { [$0.title, "sd \($0.title)"] })
    for (group, cells) in zip(contents.groups, self.cells) {
      text.append(
        group.labels + ["\(group.rows.count)", group.isForced ? "yes" : "no"]
          + cells.flatMap { cell in
            guard let summary = cell.summary else {
              return [cell.number == "–" ? "" : cell.number, ""]
            }
            return [CSVText.number(summary.mean), CSVText.number(summary.standardDeviation)]
          })
    }
    return text.text
  }
}

extension TableTests {
  /// One line a test, numbers in full; differences in the metric's own unit.
  var csv: String {
    var text = CSVText()
    text.append(
      contents.spec.rows + [
        "metric", "scope", "baseline", "baseline value", "value", "difference", "lower", "upper",
        "unit", "ratio", "test", "p", "adjusted p", "p items", "p seeds", "significant", "items",
        "clusters", "gained", "lost", "detectable", "margin", "equivalence p",
      ])
    for entry in entries {
      let result = entry.comparison
      let metric = contents.definition(of: entry.column)?.definition
      let baseline = contents.groups[entry.baseline].labels.joined(separator: " / ")
      var fields = contents.groups[entry.row].labels
      fields += [metric?.name ?? "", metric?.scope ?? "", baseline]
      fields += [
        result.baseline, result.candidate, result.difference.value, result.difference.lower,
        result.difference.upper,
      ].map(CSVText.number)
      fields += [result.unit, CSVText.number(result.ratio?.value), result.test.rawValue]
      fields += [entry.pValue, entry.adjusted, result.itemP, result.seedP].map(CSVText.number)
      fields += [isSignificant(entry) ? "yes" : "no", "\(result.items)"]
      fields += [result.clusters, result.gained, result.lost].map { $0.map { "\($0)" } ?? "" }
      fields += [result.detectable, result.margin, result.equivalenceP].map(CSVText.number)
      text.append(fields)
    }
    return text.text
  }
}

extension VarianceTable {
  /// As printed, numbers in full.
  var csv: String {
    var text = CSVText()
    text.append(header)
    for line in values {
      text.append(
        line.labels + [line.metric, "\(line.runs)", "\(line.items)"]
          + line.deviations.map(CSVText.number))
    }
    return text.text
  }
}
