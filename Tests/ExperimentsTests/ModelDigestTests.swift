import Foundation
import Testing

@testable import Experiments

@Suite("Digests of models")
struct ModelDigestTests {
  @Test("the digest of a model is what runs record as their input")
  func recorded() throws {
    let model = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "experiments/reference-model")
    let stage = try CalibrateStage(
      model: model,
      corpora: [CalibrateStage.Corpus(url: model.appending(path: "calibration.mixed.txt"))],
      format: .text, sequences: 1, context: 8, precision: .f32, seed: 0
    ).stage()
    let resolver = StageResolver(digests: FileDigests(cacheFile: nil))
    let keyed = try resolver.keyed(stage, artifacts: [:])
    #expect(try keyed?.inputDigests["model"] == FileDigests.model(model))
  }
}
