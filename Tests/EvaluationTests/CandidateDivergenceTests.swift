import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

@testable import Evaluation

@Suite("Divergence of candidates from the full-precision model")
struct CandidateDivergenceTests {
  /// A checkpoint whose layer `layer` has its matrices multiplied by a factor.
  private struct Scaled: WeightSource {
    let base: Checkpoint
    let factor: Float

    var configuration: ModelConfiguration { base.configuration }

    func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
      var result = try base.matrix(name, rows: rows, columns: columns)
      if name.contains("experts") {
        for i in result.storage.indices { result.storage[i] *= factor }
      }
      return result
    }

    func vector(_ name: String, count: Int) throws -> [Float] {
      try base.vector(name, count: count)
    }

    func releasePages(of name: String) {}
  }

  private static let sequences: [[Int32]] = [[1, 5, 9, 3, 7], [2, 4, 4, 8, 1, 6]]

  /// Mean KL of two models by the definition, in f64 from their logits.
  private func byDefinition(_ full: some WeightSource, _ other: [any WeightSource]) throws -> Double
  {
    func logits(_ layer: (Int) -> any WeightSource) throws -> [[Double]] {
      let pass = try ForwardPass(Self.sequences, source: full, precision: .f32)
      for index in 0..<full.configuration.layerCount {
        try pass.runLayer(index, weights: layer(index), tap: nil)
      }
      var rows: [[Double]] = []
      let vocabulary = full.configuration.vocabularySize
      try pass.forEachLogits { _, count, values in
        for row in 0..<count {
          rows.append((0..<vocabulary).map { Double(values[row * vocabulary + $0]) })
        }
      }
      return rows
    }
    func logSoftmax(_ row: [Double]) -> [Double] {
      let top = row.max() ?? 0
      let sum = log(row.reduce(0) { $0 + exp($1 - top) }) + top
      return row.map { $0 - sum }
    }
    let (p, q) = (try logits { _ in full }, try logits { other[$0] })
    let divergences = zip(p, q).map { p, q in
      let (p, q) = (logSoftmax(p), logSoftmax(q))
      return zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
    }
    return divergences.reduce(0, +) / Double(divergences.count)
  }

  @Test("means are those of the definition, whatever prefixes candidates share")
  func sharedPrefixes() throws {
    let model = try TinyMixtral()
    let checkpoint = model.checkpoint
    let factors: [Float] = [1, 0.9, 0.5]
    let reference = try ReferencePredictions(
      of: Self.sequences, source: checkpoint, precision: .f32)
    let layers = checkpoint.configuration.layerCount
    // All pairs for the first two layers, in an order without system.
    let candidates = [[2, 0], [0, 0], [1, 2], [0, 1], [2, 2], [1, 0]].map { first in
      first + [Int](repeating: 0, count: layers - 2)
    }
    let (means, tokens) = try CandidateDivergence(reference, source: checkpoint)
      .means(of: candidates) { _, key in Scaled(base: checkpoint, factor: factors[key]) }
    for (candidate, mean) in zip(candidates, means) {
      let sources = candidate.map { Scaled(base: checkpoint, factor: factors[$0]) }
      let expected = try byDefinition(checkpoint, sources)
      // Logits are f32: their last digits move the logarithms by 1e-6 or so.
      #expect(abs(mean - expected) < 1e-6 + 1e-4 * expected, "\(candidate): \(mean), \(expected)")
    }
    #expect(means[1] == 0, "the model itself")
    // Three first layers, six second ones, and so on: not six whole models.
    let passes = 3 + 6 * (layers - 1)
    #expect(tokens == (passes * 11 + layers - 1) / layers)
  }
}
