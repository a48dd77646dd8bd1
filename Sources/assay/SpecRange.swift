import ArgumentParser
import BitAllocation
import Experiments
import Foundation
import JSON

/// Options of single steps that are parameters of specs take the values that specs allow.
enum SpecRange {
  /// - Parameters:
  ///   - value: What was given.
  ///   - option: Its name on the command line.
  ///   - path: The parameter's path in specs, such as `quantizer.groupSize`.
  /// - Throws: `ValidationError` if the value is out of the parameter's range.
  static func check(_ value: Int, _ option: String, as path: String) throws {
    switch kind(path) {
    case .integer(let range): try require(range.contains(value), option, "\(value)", "\(range)")
    case .number(let range):
      try require(range.contains(Double(value)), option, "\(value)", text(range))
    default: preconditionFailure("\(path) is no number")
    }
  }

  /// As for whole numbers; NaN is in no range.
  static func check(_ value: Double, _ option: String, as path: String) throws {
    guard case .number(let range) = kind(path) else { preconditionFailure("\(path): no number") }
    try require(range.contains(value), option, "\(value)", text(range))
  }

  /// A level set, as specs have it.
  ///
  /// - Parameters:
  ///   - text: A set's name, bits separated by commas, or a JSON list.
  ///   - option: Its name on the command line.
  /// - Returns: The levels.
  /// - Throws: ``ValidationError``.
  static func levels(_ text: String, _ option: String) throws -> LevelSet {
    do {
      if text.hasPrefix("[") { return try LevelSet(json: JSONParser.parse(text)) }
      guard text.first?.isNumber ?? false else { return try LevelSet(json: .string(text)) }
      let bits = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      if let wrong = bits.first(where: { Double($0) == nil }) {
        throw ValidationError(
          "'\(wrong)' is no number of bits; name a set, or bits such as 2,2.5,3.")
      }
      let values = bits.compactMap { Double($0) }
      for (value, next) in zip(values, values.dropFirst()) where next <= value {
        throw ValidationError(
          "levels must rise; \(CanonicalJSON.number(next)) follows \(CanonicalJSON.number(value)).")
      }
      return try LevelSet(bits: values)
    } catch { throw ValidationError("\(option) \(text): \(error)") }
  }

  private static func kind(_ path: String) -> ParameterKind {
    guard let kind = ParameterGroup.point.kind(at: path) else {
      preconditionFailure("specs have no parameter \(path)")
    }
    return kind
  }

  private static func text(_ range: ClosedRange<Double>) -> String {
    [range.lowerBound, range.upperBound].map { String(format: "%g", $0) }.joined(separator: "...")
  }

  private static func require(
    _ isInRange: Bool, _ option: String, _ value: String, _ allowed: String
  ) throws {
    guard isInRange else {
      throw ValidationError("\(option) \(value) is out of range; allowed is \(allowed).")
    }
  }
}
