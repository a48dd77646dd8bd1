import Experiments

/// What makes the value of a run vary, for every row and metric of a table.
struct VarianceTable {
  private struct Line {
    var row: Int
    var quantity: Quantity
    var split: VarianceSplit
  }

  private let contents: TableContents
  private let lines: [Line]
  /// Sets of factors that some row has, main effects first.
  private let factors: [[String]]
  private let refusals: [String]

  /// Finds the splits of a table; nil for one that does not ask for them.
  init?(_ contents: TableContents, variances: [ReportVariance]) {
    guard contents.spec.showsVariance else { return nil }
    let mine = variances.filter { $0.table == contents.spec.name }
    var lines: [Line] = []
    for row in contents.groups.indices {
      for column in contents.quantities.indices {
        guard case .metric = contents.quantities[column].source,
          let id = contents.definition(of: column)?.id,
          let split = mine.first(where: {
            $0.definition == id && $0.row == contents.groups[row].labels
          })?.split
        else { continue }
        lines.append(Line(row: row, quantity: contents.quantities[column], split: split))
      }
    }
    self.contents = contents
    self.lines = lines
    factors = lines.flatMap(\.split.components).reduce(into: []) { known, component in
      if !known.contains(component.factors) { known.append(component.factors) }
    }.sorted {
      ($0.count, $0.contains("items") ? 1 : 0, $0.joined()) < (
        $1.count, $1.contains("items") ? 1 : 0, $1.joined()
      )
    }
    refusals = mine.compactMap(\.refusal).reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }
  }

  /// Labels, metric, runs, items, one standard deviation for each set of factors.
  var header: [String] {
    contents.spec.rows + ["metric", "runs", "items"]
      + factors.map { $0.joined(separator: " × ") }
  }

  /// Unrounded, in the printed unit.
  var values: [(labels: [String], metric: String, runs: Int, items: Int, deviations: [Double?])] {
    lines.map { line in
      (
        contents.groups[line.row].labels, line.quantity.name, line.split.runs, line.split.items,
        factors.map { names in
          line.split.components.first { $0.factors == names }
            .map { $0.deviation * line.quantity.scale }
        }
      )
    }
  }

  /// Folded, since there is a line for every row and metric.
  var markdown: String {
    let table = PipeTable(
      header: header, labelColumns: contents.spec.rows.count + 1,
      rows: values.map { line in
        line.labels + [line.metric, "\(line.runs)", "\(line.items)"]
          + line.deviations.map { deviation in
            deviation.map { DecimalText.significant($0, digits: 2) } ?? "–"
          }
      })
    let parts = [
      "<details><summary>Variance of table \(contents.spec.name): seeds apart from items</summary>\n",
      lines.isEmpty ? nil : table.markdown, "\(Self.caption)\n",
      refusals.isEmpty ? nil : refusals.joined(separator: " ") + "\n", "</details>\n",
    ]
    return parts.compactMap(\.self).joined(separator: "\n")
  }

  private static let caption =
    "Standard deviations that each source gives to the value of one run, in the unit of the table's "
    + "columns: seeds apart from items (crossed random effects, unbiased; 0 where the estimate of the "
    + "variance is not positive). Items: the same for all runs of a row. A product is an interaction; "
    + "the one with items holds the rest."
}
