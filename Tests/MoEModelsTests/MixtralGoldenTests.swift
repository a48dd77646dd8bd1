import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

/// The tiny random model that `Fixtures/tiny-mixtral/make_golden.py` made with `transformers`.
private func tinyMixtral() throws -> GoldenLogits {
  try GoldenLogits(
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/tiny-mixtral"))
}

@Suite struct MixtralGoldenTests {
  @Test(
    "f32 logits agree with transformers within 1e-4 of the largest logit", arguments: [7, 4096])
  func f32(batchTokens: Int) throws {
    let model = try tinyMixtral()
    let ours = try model.ours(precision: .f32, batchTokens: batchTokens)
    #expect(ours.count == model.logits.count)
    let largest = model.logits.map(abs).max() ?? 0
    let difference = zip(ours, model.logits).map { abs($0 - $1) }.max() ?? .infinity
    // Two implementations sum in different orders; 1e-4 is the project's bound for f32.
    #expect(difference <= 1e-4 * largest, "difference \(difference), largest logit \(largest)")
  }

  @Test("bf16 logits stay near f32")
  func bf16() throws {
    let model = try tinyMixtral()
    let ours = try model.ours(precision: .bf16, batchTokens: 4096)
    let meanSquare = { (x: [Float]) in x.reduce(0) { $0 + Double($1 * $1) } / Double(x.count) }
    let error = meanSquare(zip(ours, model.logits).map { $0 - $1 })
    // bfloat16 keeps 8 bits: each of some ten roundings adds 2^-9 relative noise; a changed expert
    // choice can add more on a random model, so 3 % of the energy is the bound.
    #expect(error <= 0.03 * meanSquare(model.logits), "error \(error)")
  }

  @Test("a sequence's logits do not depend on what else is in the batch")
  func sequencesAreIndependent() throws {
    let model = try tinyMixtral()
    let short = Array(model.sequences[0].prefix(11))
    let together = try model.ours(
      [short] + model.sequences, precision: .f32, batchTokens: 4096)
    let prefix = model.logits.prefix(11 * model.checkpoint.configuration.vocabularySize)
    let largest = prefix.map(abs).max() ?? 0
    // A prefix sees the same past as the whole sequence; bound as above.
    #expect(zip(together, prefix).allSatisfy { abs($0 - $1) <= 1e-4 * largest })
  }

  @Test("a token outside the vocabulary is refused with both numbers")
  func unknownToken() throws {
    let model = try tinyMixtral()
    #expect(throws: ForwardPassError.unknownToken(160, vocabulary: 160)) {
      try ForwardPass([[0, 160]], source: model.checkpoint, precision: .f32)
    }
  }

  @Test("a sequence beyond the positions of the model is refused")
  func tooLong() throws {
    let model = try tinyMixtral()
    #expect(throws: ForwardPassError.tooLong(129, maximum: 128)) {
      try ForwardPass(
        [[Int32](repeating: 1, count: 129)], source: model.checkpoint, precision: .f32)
    }
  }
}
