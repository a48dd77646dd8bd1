import Experiments
import Foundation
import JSON

/// Rows under named columns, printed in any of the formats.
struct DataTable {
  var columns: [String]
  private(set) var rows: [[JSONValue]] = []

  init(_ columns: [String]) { self.columns = columns }

  mutating func append(_ row: [JSONValue]) {
    precondition(row.count == columns.count, "row: \(row.count), columns: \(columns.count)")
    rows.append(row)
  }

  func text(_ format: FormatOption.Format) -> String {
    switch format {
    case .text: aligned()
    case .json: PrettyJSON.text(json, sortingKeys: false)
    case .csv: lines(cells) { Self.csvRow($0) }
    case .md: markdown()
    }
  }

  /// One row: an object in JSON, `name value` lines in text.
  func singleRowText(_ format: FormatOption.Format) -> String {
    precondition(rows.count == 1, "\(rows.count) rows")
    let object = JSONObject(zip(columns, rows[0]))
    switch format {
    case .json: return PrettyJSON.text(.object(object), sortingKeys: false)
    case .text:
      let width = columns.map(\.count).max() ?? 0
      return zip(columns, roundedCells[0]).map { name, value in
        name + String(repeating: " ", count: width - name.count + 2) + value + "\n"
      }.joined()
    case .csv, .md: return text(format)
    }
  }

  /// A list of objects; absent values are null.
  var json: JSONValue {
    .array(rows.map { .object(JSONObject(zip(columns, $0))) })
  }

  private func lines(_ cells: [[String]], _ render: ([String]) -> String) -> String {
    ([columns] + cells).map { render($0) + "\n" }.joined()
  }

  private var cells: [[String]] { rows.map { $0.map(Self.cell) } }

  /// For people: six digits, whole numbers whole.
  private var roundedCells: [[String]] {
    rows.map { row in
      row.map { value in
        guard let number = value.doubleValue, Int(exactly: number) == nil else {
          return Self.cell(value)
        }
        return String(format: "%.6g", number)
      }
    }
  }

  static func cell(_ value: JSONValue) -> String {
    switch value {
    case .null: ""
    case .string(let text): text
    default: CanonicalJSON.text(value)
    }
  }

  private func aligned() -> String {
    let widths = columns.indices.map { column in
      ([columns] + roundedCells).map { $0[column].count }.max() ?? 0
    }
    return lines(roundedCells) { row in
      let padded = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      let line = padded.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  /// RFC 4180, with line feeds.
  private static func csvRow(_ row: [String]) -> String {
    row.map { field in
      guard field.contains(where: { ",\"\n\r".contains($0) }) else { return field }
      return "\"" + field.replacing("\"", with: "\"\"") + "\""
    }.joined(separator: ",")
  }

  private func markdown() -> String {
    let rows = ([columns] + roundedCells).map { row in
      let escaped = row.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }
      return "| " + escaped.joined(separator: " | ") + " |"
    }
    let rule = "|" + columns.map { _ in " --- |" }.joined()
    return (rows.prefix(1) + [rule] + rows.dropFirst()).map { $0 + "\n" }.joined()
  }
}
