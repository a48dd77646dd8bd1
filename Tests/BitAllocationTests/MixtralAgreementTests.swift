import BitAllocation
import Foundation
import JSON
import Testing

/// Published allocations of Mixtral-8x7B, where the shared data folder lies beside the package.
private enum PublishedPlans {
  static let file = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("../shared/data/measurements/mixtral-8x7b.json").standardizedFileURL

  static var isPresent: Bool { FileManager.default.fileExists(atPath: file.path) }

  static func plan(_ pointer: String...) throws -> Plan {
    try Plan(importing: Data(contentsOf: file), as: .matrix, at: JSONPointer(pointer))
  }
}

/// One row of METHODS §2.7, "Published allocators disagree".
struct PublishedAgreement: Sendable, CustomTestStringConvertible {
  /// Bits of the eight experts of a layer together.
  let layerBits: String
  let average: String
  /// Experts at 1, 2 and 3 bits.
  let pmq: [Int]
  let gemq: [Int]
  let agreement: Double
  let kappa: Double
  let spearman: Double
  let jaccard: Double

  var testDescription: String { "\(average) bits" }

  static let rows = [
    PublishedAgreement(
      layerBits: "12", average: "1.5", pmq: [160, 64, 32], gemq: [169, 46, 41],
      agreement: 0.62, kappa: 0.275, spearman: 0.326, jaccard: 0.237),
    PublishedAgreement(
      layerBits: "16", average: "2.0", pmq: [94, 68, 94], gemq: [110, 36, 110],
      agreement: 0.43, kappa: 0.125, spearman: 0.197, jaccard: 0.351),
    PublishedAgreement(
      layerBits: "20", average: "2.5", pmq: [30, 68, 158], gemq: [47, 34, 175],
      agreement: 0.59, kappa: 0.221, spearman: 0.254, jaccard: 0.601),
  ]
}

@Suite(
  "Published plans of Mixtral-8x7B (skipped without ../shared/data)",
  .enabled(
    if: PublishedPlans.isPresent,
    "skipped: ../shared/data/measurements/mixtral-8x7b.json is not there"))
struct MixtralAgreementTests {
  @Test("PMQ and GEMQ agree as little as METHODS §2.7 says", arguments: PublishedAgreement.rows)
  func agreement(row: PublishedAgreement) throws {
    let pmq = try PublishedPlans.plan("pmq_solution_by_total_bits", row.layerBits)
    let gemq = try PublishedPlans.plan("gemq_solution", row.average)
    let result = try PlanComparison(pmq, gemq)
    #expect(result.units == 256)
    #expect(result.levels.levels == [1, 2, 3])
    #expect(result.levels.histogramA == row.pmq)
    #expect(result.levels.histogramB == row.gemq)
    // Published to two and to three decimals.
    #expect(abs(result.agreement - row.agreement) <= 0.005)
    #expect(abs(try #require(result.kappa.value) - row.kappa) <= 0.0005)
    #expect(abs(try #require(result.spearman) - row.spearman) <= 0.0005)
    #expect(result.highestLevel == 3)
    #expect(abs(try #require(result.highestLevelJaccard) - row.jaccard) <= 0.0005)
    let average = try #require(Double(row.average))
    #expect(result.mean == BitsPair(a: average, b: average))
    #expect(result.heatMap.cells.count == 32)
    #expect(result.heatMap.cells.allSatisfy { $0.count == 8 && !$0.contains(nil) })
  }

  @Test("at 2.5 bits PMQ gives every layer 20 bits, GEMQ spares the layers that METHODS names")
  func layers() throws {
    let result = try PlanComparison(
      PublishedPlans.plan("pmq_solution_by_total_bits", "20"),
      PublishedPlans.plan("gemq_solution", "2.5"))
    #expect(result.byLayer.allSatisfy { $0.bits.a == 2.5 })
    let sparing = Set(result.byLayer.filter { $0.bits.b < 2 }.map(\.group))
    #expect(sparing.isSubset(of: Set(11...14).union(25...27)))
    #expect(!sparing.isEmpty)
  }
}
