import Foundation
import JSON

extension PlanReader {
  mutating func readObject(_ data: Data, at start: JSONPointer) throws(PlanImportError) {
    var (value, pointer) = (try Self.json(data, at: start), start)
    if let inner = value["plan"] { (value, pointer) = (inner, pointer.appending("plan")) }
    let expected = "an object {unit: bits}"
    guard let object = value.objectValue else {
      throw Self.unexpected(value, at: pointer, expected: expected)
    }
    for (unit, value) in object.members {
      let place = pointer.appending(unit)
      let ofSlices = try Self.meanBits(ofSlices: value, at: place)
      guard let bits = value.doubleValue ?? ofSlices else {
        throw Self.unexpected(
          value, at: place, expected: "a number of bits, or slices of neurons")
      }
      try add(unit, bits, at: place.description)
    }
    guard !entries.isEmpty else { throw .noUnits(expected: expected) }
  }

  /// Of `[{"bits": 4, "neurons": 96}, …]`; nil for what is no list.
  private static func meanBits(
    ofSlices value: JSONValue, at pointer: JSONPointer
  ) throws(PlanImportError) -> Double? {
    guard let list = value.arrayValue, !list.isEmpty else { return nil }
    var (bits, neurons) = (0.0, 0.0)
    for (index, slice) in list.enumerated() {
      guard let width = slice["bits"]?.intValue, let count = slice["neurons"]?.intValue,
        (1...8).contains(width), count > 0
      else {
        throw unexpected(
          slice, at: pointer.appending(index),
          expected: "a slice such as {\"bits\": 4, \"neurons\": 96}")
      }
      bits += Double(width) * Double(count)
      neurons += Double(count)
    }
    return bits / neurons
  }

  mutating func readMatrix(_ data: Data, at pointer: JSONPointer) throws(PlanImportError) {
    let value = try Self.json(data, at: pointer)
    let expected = "an array with one row per layer"
    guard let rows = value.arrayValue else {
      throw Self.unexpected(value, at: pointer, expected: expected)
    }
    var experts: Int?
    for (layer, row) in rows.enumerated() {
      let place = pointer.appending(layer)
      let bits = try Self.row(row, at: place)
      guard !bits.isEmpty else { continue }
      // A short row is a damaged file more often than a pruned layer.
      if let experts, bits.count != experts {
        throw .unexpected(
          place: place.description, found: "\(bits.count) experts",
          expected: "\(experts), as in the rows before, or an empty row")
      }
      experts = bits.count
      for (expert, bits) in bits.enumerated() {
        try add("layers.\(layer).experts.\(expert)", bits, at: place.appending(expert).description)
      }
    }
    guard !entries.isEmpty else { throw .noUnits(expected: expected) }
  }

  private static func row(
    _ value: JSONValue, at pointer: JSONPointer
  ) throws(PlanImportError) -> [Double] {
    if let text = value.stringValue { return try digits(text, at: pointer) }
    guard let elements = value.arrayValue else {
      throw unexpected(
        value, at: pointer, expected: "an array of bits, or a text of one digit per expert")
    }
    var row: [Double] = []
    for (index, element) in elements.enumerated() {
      guard let bits = element.doubleValue else {
        throw unexpected(element, at: pointer.appending(index), expected: "a number of bits")
      }
      row.append(bits)
    }
    return row
  }

  private static func digits(
    _ text: String, at pointer: JSONPointer
  ) throws(PlanImportError) -> [Double] {
    var row: [Double] = []
    for (index, character) in text.enumerated() {
      guard let digit = character.wholeNumberValue, character.isASCII else {
        throw .unexpected(
          place: "\(pointer), character \(index + 1)", found: "\"\(character)\"",
          expected: "a digit")
      }
      row.append(Double(digit))
    }
    return row
  }

  private static func json(
    _ data: Data, at pointer: JSONPointer
  ) throws(PlanImportError) -> JSONValue {
    let document: JSONValue
    do { document = try JSONParser.parse(data) } catch {
      throw .notJSON(data.isEmpty ? "the file is empty." : "\(error)")
    }
    guard let value = document.value(at: pointer) else {
      throw .unexpected(place: pointer.description, found: "nothing", expected: "a plan")
    }
    return value
  }

  private static func unexpected(
    _ value: JSONValue, at pointer: JSONPointer, expected: String
  ) -> PlanImportError {
    let place = pointer.tokens.isEmpty ? "/" : pointer.description
    return .unexpected(place: place, found: value.kind, expected: expected)
  }
}
