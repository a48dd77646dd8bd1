import Foundation
import JSON

/// A line of a file of rows, and where it stands.
public struct TaskRow: Sendable, Equatable {
  public let path: String
  /// Counted from 1.
  public let line: Int
  public let value: JSONValue

  /// Reads rows, one JSON object a line, plain or gzip; empty lines are passed over.
  ///
  /// - Parameters:
  ///   - url: Of the file.
  ///   - limit: Rows from the start, behind which nothing is read; nil: all.
  /// - Returns: At least one row.
  /// - Throws: ``TaskError`` with file and line of the first bad row, `TextCorpusError`.
  public static func load(_ url: URL, limit: Int? = nil) throws -> [TaskRow] {
    var lines = try RowLines(url)
    var rows: [TaskRow] = []
    while rows.count < limit ?? .max, let line = lines.next() {
      rows.append(try TaskRow(line.data, path: url.path, line: line.number))
    }
    guard !rows.isEmpty else { throw TaskError.noItems(path: url.path) }
    return rows
  }

  init(_ data: Data, path: String, line: Int) throws(TaskError) {
    do {
      // Rows may carry identifiers of other people's making.
      value = try JSONParser.parse(data, admitting: .roundedIntegers)
    } catch {
      throw .unusableRow(
        path: path, line: line, reason: error.inOneLine)
    }
    (self.path, self.line) = (path, line)
    guard value.objectValue != nil else {
      throw unusable("it is \(value.kind), not an object")
    }
  }

  func unusable(_ reason: String) -> TaskError {
    .unusableRow(path: path, line: line, reason: reason)
  }
}

extension JSONSyntaxError {
  /// Column and problem, as a part of a sentence: the line of a row is counted elsewhere.
  var inOneLine: String {
    let sentence = description.drop { $0 != ":" }.dropFirst(2)
    return "column \(column): \(sentence.hasSuffix(".") ? sentence.dropLast() : sentence)"
  }
}

// MARK: - Fields

extension TaskRow {
  func value(at path: FieldPath) throws(TaskError) -> JSONValue {
    guard let found = value.value(at: path.pointer) else {
      let keys = value.objectValue?.keys ?? []
      throw unusable("it has no field \"\(path)\"; it has \(keys.joined(separator: ", "))")
    }
    return found
  }

  func text(at path: FieldPath) throws(TaskError) -> String {
    let found = try value(at: path)
    guard let text = Self.text(of: found) else {
      throw unusable("\"\(path)\" is \(found.kind), not a text")
    }
    return text
  }

  func texts(at path: FieldPath) throws(TaskError) -> [String] {
    let found = try value(at: path)
    let texts = found.arrayValue.map { $0.compactMap(Self.text) }
    guard let texts, texts.count == found.arrayValue?.count else {
      throw unusable("\"\(path)\" is \(found.kind), not a list of texts")
    }
    return texts
  }

  func applying(
    _ transformations: [TextTransformation], to text: String
  ) throws(TaskError) -> String {
    var text = text
    for transformation in transformations {
      guard let changed = transformation.apply(text) else {
        throw unusable("\"\(text.prefix(60))\" has no blank (_)")
      }
      text = changed
    }
    return text
  }

  private static func text(of value: JSONValue) -> String? {
    if let text = value.stringValue { return text }
    return value.intValue.map { String($0) }
  }
}
