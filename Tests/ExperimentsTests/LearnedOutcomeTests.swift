import BitAllocation
import Foundation
import JSON
import Reconstruction
import Testing

@testable import Experiments

@Suite("What a run says of learning")
struct LearnedOutcomeTests {
  private func outcome(_ trainings: [String]) throws -> PointOutcome {
    let reports = trainings.enumerated().map { index, training in
      """
      {"module": "model.layers.\(index).w", "unit": "layers.0.experts.\(index)", "weights": 4, "bits": 3,
       "codeBits": 12, "metadataBits": 2, "inputFeatures": 64, \(training)}
      """
    }
    let modules = try JSONDecoder().decode(
      [ModuleReport].self, from: Data("[\(reports.joined(separator: ", "))]".utf8))
    var outcome = PointOutcome(
      metrics: [], ledgers: [:], forced: false, counts: [:], remarks: [], facts: [:])
    outcome.add(modules)
    return outcome
  }

  @Test("kept starts, modules without a step and experts without a token are counted and said")
  func counts() throws {
    let learned = try outcome([
      #""calibrationTokens": 9, "training": {"startLoss": 2, "endLoss": 1, "steps": 3}"#,
      #""calibrationTokens": 9, "training": {"startLoss": 2, "endLoss": 2, "steps": 3, "kept": "not-better"}"#,
      #""calibrationTokens": 0, "training": {"startLoss": 2, "endLoss": 1, "steps": 0}"#,
      #""calibrationTokens": 9, "training": {"layer": 3, "steps": 0, "kept": "loss-not-finite", "notFinite": "its output"}"#,
    ])
    #expect(learned.counts["omniquant-kept-start"] == 2)
    #expect(learned.counts["omniquant-without-steps"] == 1)
    #expect(learned.counts["uncovered-experts"] == 1)
    #expect(learned.counts["singular-hessians"] == 0, "learning has no Hessian")
    #expect(learned.remarks.count == 3)
    #expect(
      learned.remarks.contains(
        "OmniQuant: layer 3 stopped learning and keeps the clipping of the start: not finite is its output."
      ))
  }

  @Test("a run without an epoch says that nothing was learned, and one of another method nothing")
  func none() throws {
    let untrained = try outcome([
      #""calibrationTokens": 9, "training": {"startLoss": 2, "endLoss": 2, "steps": 0}"#
    ])
    #expect(untrained.remarks == ["OmniQuant learned nothing: it had no epoch."])
    #expect(untrained.counts["omniquant-without-steps"] == 0)
    let other = try outcome([#""calibrationTokens": 9"#])
    #expect(other.counts.keys.allSatisfy { !$0.hasPrefix("omniquant") } && other.remarks.isEmpty)
    #expect(other.counts["singular-hessians"] == 1)
  }
}
