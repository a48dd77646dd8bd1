/// A Markdown pipe table that reads well as plain text.
struct PipeTable {
  var header: [String]
  /// How many columns from the left hold words; the others hold numbers and are set to the right.
  var labelColumns: Int
  var rows: [[String]]

  /// Lines of equal width, `|` escaped.
  var markdown: String {
    let head = header.map(Self.escape)
    let body = rows.map { $0.map(Self.escape) }
    let widths = head.indices.map { column in
      max(3, ([head] + body).map { $0[column].count }.max() ?? 0)
    }
    let rule = widths.enumerated().map { column, width in
      let dashes = String(repeating: "-", count: width - 1)
      return column < labelColumns ? ":" + dashes : dashes + ":"
    }
    return
      ([line(head, widths), "| " + rule.joined(separator: " | ") + " |"]
      + body.map { line($0, widths) }).joined(separator: "\n") + "\n"
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    let padded = cells.enumerated().map { column, cell in
      let space = String(repeating: " ", count: widths[column] - cell.count)
      return column < labelColumns ? cell + space : space + cell
    }
    return "| " + padded.joined(separator: " | ") + " |"
  }

  private static func escape(_ cell: String) -> String {
    cell.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
      .split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
