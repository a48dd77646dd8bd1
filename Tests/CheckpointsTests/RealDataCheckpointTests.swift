import Checkpoints
import Foundation
import Testing

/// Goldens: sums over `safetensors.torch.load_file`, safetensors 0.8.0, torch 2.13.0.
@Suite(
  "A trained checkpoint has the reference's weights",
  .enabled(if: RealData.isPresent, "needs ../shared/data beside the package"))
struct RealDataCheckpointTests {
  @Test("every tensor is read, finite, and their sum is the reference's")
  func sumEqualsReference() throws {
    let checkpoint = try Checkpoint(RealData.model)
    #expect(checkpoint.tensorNames.count == 189)
    #expect(checkpoint.parameterCount == 19_807_488)
    var sum = 0.0
    for name in checkpoint.tensorNames {
      let shape = try checkpoint.info(name).shape
      let values =
        shape.count == 1
        ? try checkpoint.vector(name, count: shape[0])
        : try checkpoint.matrix(name, rows: shape[0], columns: shape[1]).storage
      sum += values.reduce(0) { $0 + Double($1) }
      checkpoint.releasePages(of: name)
    }
    // The reference adds in another order: 2e7 values below 10 in Double differ by less than 1e-6.
    #expect(abs(sum - 3_698.217_661_975_999_4) < 1e-6)
  }

  @Test("its configuration is understood")
  func configurationIsUnderstood() throws {
    let configuration = try Checkpoint(RealData.model).configuration
    #expect(configuration.layerCount == 6)
    #expect(configuration.expertCount == 8)
    #expect(configuration.attention.headDimension == 32)
    #expect(try Tokenizer(RealData.tokenizer).vocabularySize == configuration.vocabularySize)
  }
}
