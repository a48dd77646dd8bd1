import Experiments

extension AnalysisTable {
  /// The table under its caption, notes below.
  public var markdown: String {
    var parts = ["**Table \(name).** \(caption)\n", pipeTable.markdown]
    if !notes.isEmpty { parts.append(notes.joined(separator: " ") + "\n") }
    return parts.joined(separator: "\n")
  }

  /// One line a cell that holds a number: table, the row's words, column, value and interval.
  public var csvRows: [[String]] {
    rows.flatMap { row in
      let words = row.compactMap { cell in if case .text(let text) = cell { text } else { nil } }
        .joined(separator: ", ")
      return zip(columns, row).compactMap { column, cell in
        switch cell {
        case .number(let value): [name, words, column.title, "\(value)", "", ""]
        case .interval(let value, let range):
          [name, words, column.title, "\(value)", "\(range.lowerBound)", "\(range.upperBound)"]
        case .text, .absent: nil
        }
      }
    }
  }

  private var pipeTable: PipeTable {
    PipeTable(
      header: columns.map(\.title), labelColumns: columns.prefix { $0.digits == nil }.count,
      rows: rows.map { row in zip(columns, row).map { Self.text($1, in: $0) } })
  }

  private static func text(_ cell: Cell, in column: Column) -> String {
    switch cell {
    case .text(let text): text
    case .absent: "–"
    case .number(let value): number(value, in: column)
    case .interval(let value, let range):
      interval(value, range, decimals: decimals(of: range, value: value, in: column))
    }
  }

  private static func number(_ value: Double, in column: Column) -> String {
    if column.isCount { return DecimalText.fixed(value, decimals: 0) }
    return DecimalText.significant(value, digits: column.digits ?? 3)
  }

  /// Two digits of half the interval, and one of a lower end above 0, which a skewed interval would
  /// lose.
  private static func decimals(
    of range: ClosedRange<Double>, value: Double, in column: Column
  ) -> Int {
    let half = (range.upperBound - range.lowerBound) / 2
    guard half > 0 else { return DecimalText.decimals(for: value, significant: column.digits ?? 3) }
    let decimals = DecimalText.decimals(for: half, significant: 2)
    guard range.lowerBound > 0 else { return decimals }
    return max(decimals, DecimalText.decimals(for: range.lowerBound, significant: 1))
  }

  private static func interval(
    _ value: Double, _ range: ClosedRange<Double>, decimals: Int
  ) -> String {
    let ends = [range.lowerBound, range.upperBound].map {
      DecimalText.fixed($0, decimals: decimals)
    }
    return "\(DecimalText.fixed(value, decimals: decimals)) [\(ends.joined(separator: ", "))]"
  }
}
