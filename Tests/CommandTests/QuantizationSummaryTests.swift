import Foundation
import Quantization
import Reconstruction
import Testing

@testable import assay

@Suite("The summary of quantizing")
struct QuantizationSummaryTests {
  private func summary(_ reports: [String]) throws -> String {
    let common =
      #""weights": 4, "bits": 2.5, "codeBits": 12, "metadataBits": 2, "inputFeatures": 64"#
    let text = reports.enumerated().map { index, own in
      #"{"module": "m\#(index)", "unit": "layers.0.experts.\#(index / 3)", \#(common), \#(own)}"#
    }
    let modules = try JSONDecoder().decode(
      [ModuleReport].self, from: Data("[\(text.joined(separator: ", "))]".utf8))
    return QuantizationSummary(modules).text
  }

  @Test("without an epoch nothing was learned, whatever came to the modules")
  func noEpoch() throws {
    let text = try summary([#""training": {"startLoss": 1, "endLoss": 1, "steps": 0}"#])
    #expect(text.contains("nothing was learned: there was no epoch"))
    #expect(!text.contains("no token came to"))
  }

  @Test("layers that were not finite are named, each with what was not")
  func notFinite() throws {
    let text = try summary([
      #""training": {"layer": 0, "startLoss": 2, "endLoss": 1, "steps": 3}"#,
      #""training": {"layer": 0, "startLoss": 2, "endLoss": 1, "steps": 0}"#,
      #""training": {"layer": 2, "steps": 0, "kept": "loss-not-finite", "notFinite": "its output"}"#,
      #""training": {"layer": 3, "steps": 0, "kept": "loss-not-finite", "notFinite": "the stream"}"#,
      #""training": {"layer": 4, "steps": 0, "kept": "loss-not-finite", "notFinite": "the stream"}"#,
    ])
    #expect(text.contains("keep the clipping of the start: 3 loss-not-finite; no token came to: 1"))
    #expect(
      text.split(separator: "\n").dropFirst() == [
        "OmniQuant: layer 2 stopped learning and keeps the clipping of the start: not finite is its output.",
        "OmniQuant: layers 3, 4 stopped learning and keep the clipping of the start: not finite is the stream.",
      ])
  }

  @Test("a module that cannot be quantized is bad input")
  func exitCode() {
    let cause = QuantizationError.scaleOverflow(scale: 1e30, row: 0, group: 0)
    #expect(Failure.isBadInput(ModuleError(module: "m", cause: cause)))
  }

  @Test("neurons without ranks and scales that were not asked for are said")
  func differences() throws {
    let place = #""neuronOrder": "place""#
    #expect(
      try summary([place, place, place, place]).contains(
        "experts with neurons in their own order, as no calibration ranks them: 2"))
    #expect(try !summary([#""neuronOrder": "calibration""#]).contains("own order"))
    let axis =
      #""axis": {"module": "m0", "axis": "input-channel", "outputChannelError": 2, "inputChannelError": 1}, "form": "input-channel""#
    let text = try summary([axis + #", "groupScales": "fresh""#, axis])
    #expect(
      text.hasSuffix(
        "grouped by input channel: 2, 1 of them with fresh scales instead of those asked for"))
  }
}
