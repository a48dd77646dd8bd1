import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

@Suite("Sequences that begin alike")
struct TokenTreeTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")
  /// Grouped-query attention, and the latent attention of DeepSeek.
  static let models = ["tiny-mixtral", "families/deepseek-v2"]

  private func logits(
    _ trees: [TokenTree], _ model: GoldenLogits, _ precision: Precision
  ) throws -> [[Float]] {
    let vocabulary = model.checkpoint.configuration.vocabularySize
    let pass = try ForwardPass(trees: trees, source: model.checkpoint, precision: precision)
    try pass.runLayers()
    var rows: [[Float]] = []
    try pass.forEachLogits { _, count, logits in
      for row in 0..<count {
        rows.append(
          Array(UnsafeBufferPointer(start: logits + row * vocabulary, count: vocabulary)))
      }
    }
    return rows
  }

  private func energy(_ x: [Float]) -> Double { x.reduce(0) { $0 + Double($1 * $1) } }

  @Test(
    "every branch has the logits of trunk and branch as one sequence",
    arguments: models, [Precision.f32, .bf16])
  func branches(name: String, precision: Precision) throws {
    let model = try GoldenLogits(Self.fixtures.appending(path: name))
    let a = model.sequences[0]
    let trunk = Array(a[..<9])
    let branches = [Array(a[9..<10]), Array(a[7..<18]), Array(a[5..<9])]
    let other = TokenTree(trunk: Array(a.reversed()))
    let together = try logits(
      [other, TokenTree(trunk: trunk, branches: branches), other], model, precision)
    #expect(together.count == 2 * other.count + 9 + 1 + 11 + 4)
    var first = other.count + trunk.count
    for branch in branches {
      let apart = try logits([TokenTree(trunk: trunk + branch)], model, precision)
      let ours = together[other.count..<other.count + 9] + together[first..<first + branch.count]
      let difference = energy(zip(ours.joined(), apart.joined()).map { $0 - $1 })
      // Other row counts are summed in another order; in bf16 the sums are then rounded to 8 bits,
      // and now and then another expert is taken.
      #expect(difference <= (precision == .f32 ? 1e-10 : 0.03) * energy(Array(apart.joined())))
      first += branch.count
    }
  }

  @Test("a tree whose longest sequence is beyond the model's positions is refused")
  func tooLong() throws {
    let model = try GoldenLogits(Self.fixtures.appending(path: "tiny-mixtral"))
    let tree = TokenTree(
      trunk: [Int32](repeating: 1, count: 100), branches: [[2], [Int32](repeating: 1, count: 29)])
    #expect(throws: ForwardPassError.tooLong(129, maximum: 128)) {
      try ForwardPass(trees: [tree], source: model.checkpoint, precision: .f32)
    }
  }
}
