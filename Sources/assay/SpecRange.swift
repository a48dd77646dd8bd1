import ArgumentParser
import Experiments
import Foundation

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

  /// Bits of levels, which specs want rising.
  ///
  /// - Parameters:
  ///   - text: Whole numbers, separated by commas.
  ///   - option: Its name on the command line.
  /// - Returns: The bits.
  /// - Throws: `ValidationError`.
  static func levels(_ text: String, _ option: String) throws -> [Int] {
    guard case .levels(let range) = kind("allocation.levels") else {
      preconditionFailure("allocation.levels are no levels")
    }
    let levels = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let bits = Int(part), range.contains(bits) else {
        throw ValidationError(
          "\(option) \(text): '\(part)' is no whole number from \(range.lowerBound) to "
            + "\(range.upperBound); name bits, such as 2,3,4.")
      }
      return bits
    }
    for (bits, next) in zip(levels, levels.dropFirst()) where next <= bits {
      throw ValidationError("\(option) \(text): levels must increase; \(next) follows \(bits).")
    }
    return levels
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
