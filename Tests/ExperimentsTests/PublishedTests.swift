import Foundation
import Testing

@testable import Experiments

@Suite("Published results, recomputed")
struct PublishedTests {
  @Test("what needs no files is reproduced, and what does is skipped with the reason")
  func checks() throws {
    let checks = try PublishedResults.checks(measurements: nil)
    for check in checks { #expect(check.outcome != .differs, "\(check)") }
    let hawq = checks.filter { $0.source.contains("HAWQ") }
    #expect(hawq.count == 9 && hawq.allSatisfy { $0.outcome == .reproduced })
    let gptq = checks.filter { $0.source.contains("GPTQ") }
    #expect(gptq.count >= 8 && gptq.allSatisfy { $0.outcome == .reproduced })
    let ledgers = checks.filter { $0.source == "Mixtral-8x7B" && $0.outcome == .reproduced }
    #expect(ledgers.count == 5)
    let skipped = checks.filter { $0.outcome == .skipped }
    #expect(!skipped.isEmpty && skipped.allSatisfy { $0.found.contains("--measurements") })
  }

  @Test("a number that differs in its last published digit is not reproduced")
  func difference() {
    let check = PublishedCheck(
      "a paper", "bits", published: "2.5434", found: "2.5435", holds: "2.5434" == "2.5435")
    #expect(check.outcome == .differs)
  }

  @Test("a folder without the measurements is named")
  func missingFolder() {
    #expect(throws: PublishedError.self) {
      try PublishedResults.checks(measurements: URL(filePath: "/nonexistent-measurements"))
    }
  }
}
