import Experiments
import JSON

/// How the cells of a table are tested against those of its baseline:
/// `"test": {"alpha": 0.05, "correction": "holm", "over": "both", "margin": 0.01}`.
public struct TestSpec: Sendable, Equatable {
  /// How p-values are adjusted for the number of tests in the table.
  public enum Correction: String, CaseIterable, Sendable {
    case holm, none
  }

  /// What a claim is about.
  public enum Population: String, CaseIterable, Sendable {
    /// Fresh items, and fresh seeds where there are replicates.
    case both
    /// Fresh items, these seeds.
    case items
  }

  public var alpha = 0.05
  public var correction = Correction.holm
  public var population = Population.both
  /// What counts as no difference: absolute for fractions, else relative to the baseline.
  public var margin = 0.01

  public init() {}
}

extension TestSpec {
  private static let keys = ["alpha", "correction", "over", "margin"]

  /// Reads a table's `test`; the default where there is none.
  ///
  /// - Throws: ``SpecError`` for unknown keys and values, and for a test without a baseline.
  init(in table: SpecObject) throws(SpecError) {
    self.init()
    guard let value = table.value("test") else { return }
    let pointer = table.pointer.appending("test")
    guard table.has("baseline") else {
      throw SpecError(
        .missingKey("baseline", remedy: "name the row that the others are tested against."),
        at: table.pointer)
    }
    let object = try SpecObject(value, at: pointer, allowed: Self.keys)
    if let alpha = try object.optionalShare("alpha") { self.alpha = alpha }
    if let margin = try object.optionalShare("margin") { self.margin = margin }
    correction = try object.optionalChoice("correction", of: Correction.self) ?? correction
    population = try object.optionalChoice("over", of: Population.self) ?? population
  }

  /// The options of the comparisons behind the tests.
  var comparison: ComparisonOptions {
    var options = ComparisonOptions()
    (options.alpha, options.margin) = (alpha, margin)
    return options
  }
}

extension AxisNames {
  /// A table's `baseline`: a label of one row axis, or `{axis: label}`.
  ///
  /// - Returns: Axis → label; nil where the table has none.
  /// - Throws: ``SpecError`` for a label that no row axis has, or that several have.
  func baseline(
    in object: SpecObject, rows: [String], reference: String
  ) throws(SpecError) -> [String: String]? {
    guard let value = object.value("baseline") else { return nil }
    let pointer = object.pointer.appending("baseline")
    guard let label = value.stringValue else {
      var baseline: [String: String] = [:]
      for (axis, label) in try SpecObject.members(value, at: pointer).members {
        try SpecObject.check(axis, among: rows, at: pointer.appending(axis))
        guard let text = label.stringValue else {
          throw SpecError(
            .wrongType(expected: "a label", found: label.kind), at: pointer.appending(axis))
        }
        try SpecObject.check(text, among: labels(of: axis), at: pointer.appending(axis))
        baseline[axis] = text
      }
      guard !baseline.isEmpty else {
        throw SpecError(.invalid("Name a row: {\"axis\": \"label\"}."), at: pointer)
      }
      return baseline
    }
    let holders = rows.filter { labels(of: $0).contains(label) }
    try SpecObject.check(
      label, among: holders.isEmpty ? rows.flatMap(labels) : [label], at: pointer)
    guard holders.count == 1 else {
      throw SpecError(
        .invalid(
          "\"\(label)\" is a label of \(holders.joined(separator: " and ")); write {axis: label}."),
        at: pointer)
    }
    return [holders[0]: label]
  }

  private func labels(of axis: String) -> [String] {
    axes.first { $0.name == axis }?.labels ?? []
  }
}
