import Foundation
import Statistics
import Testing

@testable import Experiments

@Suite("What a structure table says")
struct StructureAnalysisTests {
  private static let (layers, experts, windows) = (6, 8, 4)
  private static let projections = ["gate", "up", "down"]

  /// ln KL of a matrix = 0.5 · layer + 1 if it is down + ln frequency - 2 · (bits - 2) + noise. Wholes
  /// are 1.25 times their parts.
  private func table(noise: Double = 0) throws -> StructureTable {
    var random = SeededGenerator(seed: 11)
    func uniform() -> Double { Double(random.below(1_000_001)) / 1_000_000 }
    var rows: [StructureTable.Row] = []
    var losses: [[Double]] = []
    var features: [String: [Double]] = [:]
    func append(
      _ kind: StructureUnit.Kind, _ id: String, _ layer: Int, _ loss: [Double],
      expert: Int? = nil, projection: String? = nil, scores: [String: Double] = [:]
    ) {
      rows.append(
        StructureTable.Row(
          id: id, kind: kind, layer: layer, expert: expert, projection: projection, decile: nil,
          weights: 1000))
      losses.append(loss)
      for name in Self.scores { features[name, default: []].append(scores[name] ?? .nan) }
    }
    var total = [0.0, 0.0]
    for layer in 0..<Self.layers {
      var sum = [0.0, 0.0]
      for expert in 0..<Self.experts {
        var own = [0.0, 0.0]
        for projection in Self.projections {
          let scores = Dictionary(uniqueKeysWithValues: Self.scores.map { ($0, 0.1 + uniform()) })
          let log =
            0.5 * Double(layer) + (projection == "down" ? 1 : 0)
            + Foundation.log(scores["frequency"] ?? 1) + noise * (uniform() - 0.5)
          let loss = [0.0, 1].map { exp(log - 2 * $0) }
          append(
            .matrix, "layers.\(layer).experts.\(expert).\(projection)", layer, loss,
            expert: expert, projection: projection, scores: scores)
          own = zip(own, loss).map { $0 + $1 }
        }
        append(
          .expert, "layers.\(layer).experts.\(expert)", layer, own.map { 1.25 * $0 },
          expert: expert)
        sum = zip(sum, own).map { $0 + 1.25 * $1 }
      }
      append(.layer, "layers.\(layer).experts", layer, sum.map { 1.25 * $0 })
      total = zip(total, sum).map { $0 + 1.25 * $1 }
    }
    append(.model, "experts", -1, total.map { 1.25 * $0 })
    // Windows differ, and their mean is the loss.
    let shares = [0.5, 1.5, 0.75, 1.25]
    return try StructureTable(
      levels: [2, 3], rows: rows, windowTokens: [10, 10, 10, 10],
      divergences: losses.flatMap { $0.flatMap { loss in shares.map { $0 * loss } } },
      storedBits: rows.flatMap { _ in [2000.0, 3000] },
      predictions: ["loss": losses.flatMap { $0.map { 7 * $0 } }], features: features)
  }

  private static let scores = [
    "frequency", "routing-weight", "weight-outlier", "weight-kurtosis", "condition-number",
  ]

  private func table(_ name: String, of table: StructureTable) throws -> AnalysisTable {
    try #require(
      try StructureAnalysis(table).result().tables.first { $0.name == name }, "\(name)")
  }

  private func row(_ words: String..., in table: AnalysisTable) throws -> [AnalysisTable.Cell] {
    try #require(
      table.rows.first { row in zip(row, words).allSatisfy { $0 == .text($1) } }, "\(words)")
  }

  private func value(_ cell: AnalysisTable.Cell) -> Double {
    switch cell {
    case .number(let value), .interval(let value, _): value
    case .text, .absent: .nan
    }
  }

  @Test("a file gives back the table")
  func file() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).h5")
    defer { try? FileManager.default.removeItem(at: url) }
    let table = try table()
    try table.write(to: url)
    let read = try StructureTable(hdf5: url)
    #expect(read.rows == table.rows && read.divergences == table.divergences)
    #expect(read.levels == table.levels && read.storedBits == table.storedBits)
    #expect(read.predictions == table.predictions)
    #expect(read.feature("frequency", 0) == table.feature("frequency", 0))
    #expect(read.feature("frequency", read.rows.count - 1) == nil)
  }

  @Test("a table whose numbers do not fit is refused")
  func wrongCounts() {
    #expect(throws: StructureError.wrongCount("divergences", found: 3, expected: 0)) {
      try StructureTable(
        levels: [2], rows: [], windowTokens: [1, 1], divergences: [1, 2, 3], storedBits: [],
        predictions: [:], features: [:])
    }
  }

  @Test("the regression finds what the losses were made of")
  func regression() throws {
    let table = try table("regression-matrices", of: table(noise: 0.2))
    func coefficient(_ name: String) throws -> Double { value(try row(name, in: table)[1]) }
    // The noise is uniform with sd 0.058 over 288 rows.
    #expect(abs(try coefficient("down, not up") - 1) < 0.03)
    #expect(abs(try coefficient("gate, not up")) < 0.03)
    #expect(abs(try coefficient("3 bits, not 2") + 2) < 1e-9)
    // Half a unit a layer, in standard deviations of the layers 0…5.
    let deviation = try #require(
      SampleSummary((0..<6).flatMap { [Double](repeating: Double($0), count: 48) })?
        .standardDeviation)
    #expect(abs(try coefficient("depth") - 0.5 * deviation) < 0.03)
    #expect(abs(try coefficient("ln kurtosis")) < 0.03)
    // What the formula does not name is determined by no other: nothing was dropped.
    #expect(!table.notes.joined().contains("determined by others"))
    guard case .interval(let estimate, let range) = try row("down, not up", in: table)[1] else {
      Issue.record("no interval")
      return
    }
    #expect(range.contains(estimate) && range.upperBound - range.lowerBound < 0.1)
    // Six layers are fewer than the coefficients: their clusters say nothing.
    #expect(!table.columns.map(\.title).contains("coefficient, clustered by layer"))
    #expect(table.notes.joined().contains("errors clustered by the"))
  }

  @Test("projections of an expert are compared within it")
  func contrasts() throws {
    let projections = try table("projections", of: table())
    let ratio = try row("down / up", "2", in: projections)
    #expect(value(ratio[2]) == 48)
    // Frequencies are drawn for every matrix, so that the ratio is e only on the average: ln of a
    // uniform number of 0.1 to 1.1 has deviation 0.60, the mean of 48 differences a standard error of
    // 0.60 · √2 / √48 = 0.12, and this is four of them.
    #expect(abs(log(value(ratio[3])) - 1) < 0.49)
  }

  @Test("sums of parts over wholes are the planted four fifths")
  func additivity() throws {
    let table = try table("additivity", of: table())
    for (whole, parts) in [("expert", "matrices"), ("layer", "experts"), ("model", "layers")] {
      let cells = try row(whole, parts, "2", in: table)
      for cell in cells.suffix(4) { #expect(abs(value(cell) - 0.8) < 1e-9, "\(whole)") }
    }
    #expect(!table.rows.contains { $0[1] == .text("deciles") })
  }

  @Test("a proxy that is proportional to the loss orders all parts; shares are the same")
  func proxies() throws {
    let table = try table()
    let spearman = try self.table("proxies-spearman", of: table)
    for cell in try row("loss", in: spearman).dropFirst() { #expect(value(cell) == 1) }
    // A score of matrices says nothing about whole experts.
    #expect(try row("frequency", in: spearman).last == AnalysisTable.Cell.absent)
    let gains = try self.table("gains-by-layer", of: table)
    #expect(gains.rows.count == Self.layers)
    for row in gains.rows { #expect(abs(value(row[5]) - value(row[6])) < 1e-9) }
    let first = gains.rows[0]
    let place = table.places(.layer)[0]
    let saved = table.divergence(place, level: 0) - table.divergence(place, level: 1)
    #expect(abs(value(first[2]) / (1e3 * saved) - 1) < 1e-12)
    // 1,000 bits more are 125 bytes.
    #expect(value(first[3]) == 0.125)
    #expect(abs(value(first[4]) / (1e6 * saved / 0.125) - 1) < 1e-12)
  }

  @Test("parts that were not measured have no table")
  func missing() throws {
    let names = try StructureAnalysis(table()).result().tables.map(\.name)
    #expect(!names.contains("gains-by-decile") && !names.contains("gains-by-projection"))
    #expect(names.contains("gains-by-expert"))
  }
}
