import Experiments

/// A table as a LaTeX `tabular` with booktabs rules, to be `\input` into a float.
struct LatexTable {
  let experiment: String
  let table: ReportTable

  /// Comments name the runs behind every row, and the test behind every mark.
  var text: String {
    let contents = table.contents
    let labels = contents.spec.rows.count
    let columns =
      String(repeating: "l", count: labels)
      + String(repeating: "r", count: contents.quantities.count + (table.showsRuns ? 1 : 0))
    var lines = [
      "% table \(contents.spec.name) of experiment \(experiment); made by assay report, needs booktabs",
      "\\begin{tabular}{\(columns)}", "\\toprule",
      line(
        (contents.spec.rows + (table.showsRuns ? ["runs"] : []) + contents.quantities.map(\.title))
          .map(Self.escape)), "\\midrule",
    ]
    for (row, group) in contents.groups.enumerated() {
      lines += comments(row, group)
      lines.append(
        line(
          group.labels.map(Self.escape) + (table.showsRuns ? ["\(group.rows.count)"] : [])
            + table.cells[row].map(Self.cell)))
    }
    lines += ["\\bottomrule", "\\end{tabular}"]
    lines += table.legend.map { "% \(Self.comment($0))" }
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ cells: [String]) -> String { cells.joined(separator: " & ") + " \\\\" }

  private func comments(_ row: Int, _ group: PointGroup) -> [String] {
    let runs = "% cells of row \(row + 1): runs=[\(Self.runs(group))]"
    let tests = (table.tests?.entries ?? []).filter { $0.row == row }.map { entry in
      "% cell(\(row + 1), \(table.contents.quantities[entry.column].name)): "
        + "p=\(ComparisonText.p(entry.pValue)) adjusted=\(ComparisonText.p(entry.adjusted)) "
        + "\(entry.comparison.test.rawValue) against row \(entry.baseline + 1)"
    }
    return ([runs] + tests).map(Self.comment)
  }

  private static func runs(_ group: PointGroup) -> String {
    group.rows.map(\.run).joined(separator: ", ")
  }

  private static func comment(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private static func cell(_ cell: TableCell) -> String {
    let number = escape(cell.number)
    return (cell.isBest ? "\\textbf{\(number)}" : number)
      + (cell.isSignificant ? "$^\\dagger$" : "") + (cell.isForced ? " \\emph{forced}" : "")
  }

  private static let replacements: [Character: String] = [
    "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_",
    "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "±": "$\\pm$", "↓": "$\\downarrow$", "↑": "$\\uparrow$", "∞": "$\\infty$", "×": "$\\times$",
    "–": "--", "†": "$^\\dagger$", "κ": "$\\kappa$", "Δ": "$\\Delta$", "\n": " ",
  ]

  private static func escape(_ text: String) -> String {
    text.map { replacements[$0] ?? String($0) }.joined()
  }
}
