import Foundation

extension PlanReader {
  /// Reads a unit and its bits from every line that is not blank.
  ///
  /// - Parameters:
  ///   - data: UTF-8 text; a byte order mark is skipped.
  ///   - separator: Stands once in a line, between the two.
  ///   - form: The form of a line, for messages.
  ///   - heading: Whether the first line may be the form itself.
  ///   - unit: The unit of a name; nil for an unknown name.
  /// - Throws: ``PlanImportError``, naming the line.
  mutating func readLines(
    _ data: Data, separator: Character, _ form: String, heading: Bool,
    unit: (String) -> String?
  ) throws(PlanImportError) {
    guard var text = String(data: data, encoding: .utf8) else { throw .notUTF8 }
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      let place = "line \(index + 1)"
      let fields = line.split(separator: separator, omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      if fields == [""] { continue }
      if heading, entries.isEmpty, fields.joined(separator: ",") == form { continue }
      guard fields.count == 2, !fields[0].isEmpty else {
        throw .unexpected(place: place, found: "\"\(line)\"", expected: form)
      }
      guard let bits = Double(fields[1]) else {
        throw .unexpected(place: place, found: "\"\(fields[1])\"", expected: "a number of bits")
      }
      guard let unit = unit(fields[0]) else {
        throw .unexpected(
          place: place, found: "\"\(fields[0])\"", expected: UnitPlace.moduleNameForms)
      }
      try add(unit, bits, at: place)
    }
    guard !entries.isEmpty else { throw .noUnits(expected: "lines \(form)") }
  }
}
