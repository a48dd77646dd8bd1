import Checkpoints
import Foundation
import HDF5
import MoEModels
import Statistics
import Tensors
import Testing

@testable import Evaluation

@Suite("Divergence from full precision")
struct DivergenceTests {
  private let vocabulary = 160
  private let model: TinyMixtral
  private let text: ScoredWindows

  init() throws {
    model = try TinyMixtral()
    let document = TokenizedDocument(
      tokens: model.sequences.flatMap(\.self), bytes: 0, words: 0)
    text = try ScoredWindows(of: ("a.txt", [document]), scoring: .gptqWindows(context: 40))
  }

  /// Stores the model's predictions and compares another with them.
  private func measure(
    _ other: any WeightSource, topK: Int, noise: NoiseSource = .none
  ) throws -> (measured: MeasuredDivergence, noise: MeasuredDivergence?) {
    let url = model.folder.appending(path: "reference-\(topK)-\(noise.rawValue).h5")
    let options = PredictionFile.Options(topK: topK, precision: .f32, noise: noise)
    let writer = try HDF5Writer(url)
    try PredictionFile.writeHeader(options, vocabulary: vocabulary, model: "tiny", to: writer)
    let floor = try PredictionFile.write(
      text, of: model.checkpoint, as: "text", options: options, to: writer)
    try writer.finish()
    let measured = try PredictionFile(url).divergence(
      of: other, on: text, as: "text", precision: .f32)
    return (measured, floor)
  }

  /// ln p of the whole vocabulary at every scored token, in double precision.
  private func logProbabilities(_ source: any WeightSource) throws -> [[Double]] {
    let pass = try ForwardPass(model.sequences, source: source, precision: .f32)
    try pass.runLayers()
    var rows: [[Double]] = []
    try pass.forEachLogits { _, count, logits in
      for row in 0..<count {
        let values = (0..<vocabulary).map { Double(logits[row * vocabulary + $0]) }
        let largest = values.max() ?? 0
        let sum = largest + log(values.reduce(0) { $0 + exp($1 - largest) })
        rows.append(values.map { $0 - sum })
      }
    }
    return rows.enumerated().filter { $0.offset % 40 != 39 }.map(\.element)
  }

  private var coarse: Coarsened { Coarsened(base: model.checkpoint, step: 0.02) }

  @Test("with the whole vocabulary it is Σ p ln(p/q), and what llama.cpp shows beside it")
  func whole() throws {
    let (p, q) = (try logProbabilities(model.checkpoint), try logProbabilities(coarse))
    let tokens = try measure(coarse, topK: vocabulary).measured.tokens
    let targets = model.sequences.flatMap { $0.dropFirst() }.map { Int($0) }
    #expect(tokens.count == 3 * 39)
    for position in targets.indices {
      let (p, q, target) = (p[position], q[position], targets[position])
      let expected = zip(p, q).reduce(0.0) { $0 + exp($1.0) * ($1.0 - $1.1) }
      // Logits and logarithms of some units in f32: 1e-6 each.
      #expect(abs(Double(tokens.divergence[position]) - expected) < 1e-5)
      #expect(
        abs(Double(tokens.probabilityChange[position]) - (exp(q[target]) - exp(p[target]))) < 1e-6)
      #expect(abs(Double(tokens.losses[position]) + q[target]) < 1e-5)
      #expect(abs(Double(tokens.referenceLosses[position]) + p[target]) < 1e-5)
      #expect(
        tokens.agrees[position]
          == (p.firstIndex(of: p.max() ?? 0) == q.firstIndex(of: q.max() ?? 0)))
      #expect(abs(Double(tokens.confidence[position]) - exp(p.max() ?? 0)) < 1e-6)
    }
    // The stand-in is no trivial one.
    #expect(try #require(DivergenceSummary(tokens)).mean > 1e-3)
  }

  @Test("a pooled tail never overstates the divergence, and less of a tail loses less")
  func tail() throws {
    let exact = try measure(coarse, topK: vocabulary).measured.tokens.divergence
    var nearest = [Float](repeating: -1, count: exact.count)
    for topK in [1, 8, 64, 128, 159] {
      let pooled = try measure(coarse, topK: topK).measured.tokens.divergence
      for (position, value) in pooled.enumerated() {
        // Roundings of f32 on either side.
        #expect(value <= exact[position] + 1e-5)
        #expect(value >= nearest[position] - 1e-5)
      }
      nearest = pooled
    }
    // A tail of one token is no tail: pooling loses nothing.
    for (pooled, exact) in zip(nearest, exact) { #expect(abs(pooled - exact) < 1e-5) }
    let half = try #require(DivergenceSummary(measure(coarse, topK: 80).measured.tokens)).mean
    let whole = exact.reduce(0.0) { $0 + Double($1) } / Double(exact.count)
    // The model is random and its predictions flat: half of its vocabulary holds most of what differs.
    #expect(half > 0.4 * whole)
    #expect(half < whole)
  }

  @Test(
    "the model itself has no divergence, and another arithmetic is the noise floor",
    .enabled(if: Precision.fastest == .bf16, "the processor has no bf16"))
  func floor() throws {
    let (itself, noise) = try measure(model.checkpoint, topK: 16, noise: .compute)
    let zero = try #require(DivergenceSummary(itself.tokens))
    #expect(abs(zero.mean) < 1e-6)
    #expect(zero.agreement == 1)
    #expect(itself.drift?.change == 0)
    #expect(itself.drift?.sameRoutes == 1)
    let noisy = try #require(noise)
    let floor = try #require(DivergenceSummary(noisy.tokens))
    #expect(floor.tokens == 3 * 39)
    // bf16 keeps 8 bits: it differs, by far less than the coarsened model.
    #expect(floor.mean > 1e-8)
    let coarse = try #require(DivergenceSummary(measure(coarse, topK: 16).measured.tokens))
    #expect(floor.mean < coarse.mean / 5)
    let batches = try #require(measure(model.checkpoint, topK: 16, noise: .batch).noise)
    #expect(abs(try #require(DivergenceSummary(batches.tokens)).mean) < 1e-6)
  }

  @Test("buckets divide the tokens by the confidence of full precision")
  func buckets() throws {
    let tokens = try measure(coarse, topK: 160).measured.tokens
    let buckets = DivergenceSummary.byConfidence(tokens)
    #expect(buckets.reduce(0) { $0 + ($1.summary?.tokens ?? 0) } == tokens.count)
    #expect(buckets.map(\.lower) == [0, 0.25, 0.5, 0.75, 0.9, 0.99])
    let unsure = tokens.confidence.count { $0 < 0.25 }
    #expect(buckets[0].summary?.tokens ?? 0 == unsure)
  }

  @Test("windows keep their own means and the split of losses adds up")
  func windows() throws {
    let measured = try measure(coarse, topK: 160).measured
    let mean = try #require(DivergenceSummary(measured.tokens)).mean
    #expect(measured.windowTokens == [39, 39, 39])
    #expect(abs(measured.windowMeans.reduce(0, +) / 3 - mean) < 1e-9)
    let drift = try #require(measured.drift)
    let same = drift.sameRoutes
    #expect(same < 1)
    let split =
      same * (measured.lossChange(ofSameRoutes: true) ?? 0)
      + (1 - same) * (measured.lossChange(ofSameRoutes: false) ?? 0)
    #expect(abs(split - (DivergenceSummary(measured.tokens)?.lossChange ?? 0)) < 1e-9)
    #expect(abs(drift.firstChanges.reduce(same, +) - 1) < 1e-12)
  }

  @Test("other windows and other arithmetic are refused")
  func refusals() throws {
    _ = try measure(model.checkpoint, topK: 4)
    let file = try PredictionFile(model.folder.appending(path: "reference-4-none.h5"))
    let document = TokenizedDocument(
      tokens: model.sequences.flatMap(\.self), bytes: 0, words: 0)
    let other = try ScoredWindows(of: ("a.txt", [document]), scoring: .gptqWindows(context: 20))
    #expect(throws: DivergenceError.self) {
      try file.divergence(of: model.checkpoint, on: other, as: "text", precision: .f32)
    }
    #expect(throws: DivergenceError.self) {
      try file.divergence(of: model.checkpoint, on: text, as: "text", precision: .bf16)
    }
  }

  @Test("the largest values are found as sorting finds them, ties by index")
  func largest() {
    var random = SeededGenerator(seed: 3)
    let values = (0..<1000).map { _ in Float(Int.random(in: 0..<200, using: &random)) }
    let sorted = values.indices.sorted { (values[$0], $1) > (values[$1], $0) }
    for limit in [1, 7, 500, 1000] {
      let found = values.withUnsafeBufferPointer { values in
        values.baseAddress.map { LargestValues.indices(of: $0, count: 1000, limit: limit) }
      }
      #expect(found == sorted.prefix(limit).map { Int32($0) })
    }
  }
}

@Suite("Drift of routes")
struct RouteDriftTests {
  private func routes(_ layer: Int, _ experts: [Int32], _ p: [Float]) -> LayerRoutes {
    LayerRoutes(layer: layer, topK: 2, expertCount: 3, experts: experts, probabilities: p)
  }

  @Test("shares of tokens, loads, divergences and first layers of two tokens in two layers")
  func shares() {
    let p: [Float] = [0.5, 0.25, 0.25, 0.5, 0.25, 0.25]
    let q: [Float] = [0.25, 0.5, 0.25, 0.5, 0.25, 0.25]
    var drift = RouteDrift()
    drift.add(
      reference: [routes(1, [0, 1, 0, 1], p), routes(2, [0, 2, 1, 2], p)],
      [routes(1, [0, 1, 0, 2], q), routes(2, [1, 2, 1, 2], p)])
    #expect(drift.layers.map(\.layer) == [1, 2])
    #expect(drift.layers.map(\.change) == [0.5, 0.5])
    #expect(drift.firstChange == [1, 0])
    #expect(drift.firstChanges == [0.5, 0.5])
    #expect(drift.sameRoutes == 0)
    // Loads 2, 2, 0 of 4 become 2, 1, 1.
    #expect(drift.layers[0].loadShift == 0.25)
    // ½ ln 2 − ¼ ln 2 of the first token, nothing of the second.
    #expect(abs(drift.layers[0].divergence - log(2) / 8) < 1e-7)
    #expect(drift.layers[1].divergence == 0)
    var twice = drift
    twice.add(drift)
    #expect(twice.layers.map(\.change) == drift.layers.map(\.change))
    #expect(twice.firstChange == [1, 0, 1, 0])
  }
}
