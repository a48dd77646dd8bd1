import Checkpoints
import Foundation
import Quantization
import Statistics
import Tensors
import Testing

@testable import Sensitivity

@Suite("The predictor of block importance")
struct CosinePredictorTests {
  /// Rows of noise, and a target that one direction of them decides.
  private func planted(tokens: Int, seed: UInt64) -> (x: Matrix, targets: [Float]) {
    var random = SeededGenerator(seed: seed)
    let x = Matrix(
      rows: tokens, columns: 16,
      storage: (0..<tokens * 16).map { _ in Float.random(in: -2...2, using: &random) })
    return (x, (0..<tokens).map { 0.6 + 0.1 * max(x[$0, 3], 0) - 0.05 * x[$0, 7] })
  }

  @Test("learns what inputs decide: most of the variance of tokens it has not seen")
  func learns() {
    let (x, targets) = planted(tokens: 20_000, seed: 1)
    let predictor = CosinePredictor(predicting: targets, from: x, seed: 0)
    let (fresh, expected) = planted(tokens: 500, seed: 2)
    let found = predictor.predictions(of: fresh)
    let mean = expected.reduce(0, +) / 500
    let error = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let variance = expected.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    #expect(error < 0.1 * variance, "\(error / variance)")
    #expect(predictor.epochsRun > 1 && predictor.epochsRun <= CosinePredictor.epochs)
  }

  @Test("the same seed gives the same numbers, another one others")
  func seeded() {
    let (x, targets) = planted(tokens: 200, seed: 3)
    func predictions(_ seed: UInt64) -> [Float] {
      CosinePredictor(predicting: targets, from: x, seed: seed, epochs: 2).predictions(of: x)
    }
    #expect(predictions(4) == predictions(4))
    #expect(predictions(4) != predictions(5))
  }

  @Test("predicted-importance is one number a layer, beside the measured one; it needs tokens")
  func score() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    var measurement = ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([4]),
      grids: GridFamily(groupSize: 32, symmetric: false),
      calibration: try model.calibrate(tokens: 120, in: folder),
      scores: [.blockImportance, .predictedImportance])
    #expect(throws: MeasurementError.needsExpertOutputSample("predicted-importance")) {
      try measurement.table()
    }
    measurement.importanceSample = .init(sequences: [[1, 2, 3]], precision: .f32)
    #expect(throws: MeasurementError.tooFewTokens("predicted-importance", layer: 0)) {
      try measurement.table()
    }
    measurement.importanceSample = .init(
      sequences: [Array(model.tokens.prefix(120))], precision: .f32)
    let table = try measurement.table()
    let predicted = try #require(table.scores["predicted-importance"])
    for layer in 0..<2 {
      let values = zip(table.units, predicted).filter { $0.0.layer == layer }.map(\.1)
      #expect(Set(values).count == 1 && values[0].isFinite)
    }
    #expect(try measurement.table().scores == table.scores)
  }
}
