import BitAllocation
import Calibration
import Checkpoints
import Foundation
import HDF5
import MoEModels
import Quantization
import Sensitivity
import Tensors
import Testing

@Suite("Scores by hand")
struct ScoreTests {
  private func measurement(
    _ model: TinyMixtral, _ calibration: URL?, _ scores: Set<ExpertMeasurement.Score>
  ) -> ExpertMeasurement {
    ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([4]),
      grids: GridFamily(groupSize: 32, symmetric: false),
      calibration: calibration, scores: scores)
  }

  @Test("block-importance is 1 - mean cosine between residual stream before and after the MoE")
  func blockImportance() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 50, in: folder)
    let table = try measurement(model, calibration, [.blockImportance]).table()
    let pass = try ForwardPass(
      [Array(model.tokens.prefix(50))], source: model.checkpoint, precision: .f32)
    for layer in 0..<2 {
      let tap = Cosines()
      try pass.runLayer(layer, tap: tap)
      #expect(tap.values.count == 50)
      let expected = 1 - tap.values.reduce(0, +) / 50
      #expect(expected > 0.001 && expected < 1)
      for (unit, value) in zip(table.units, try #require(table.scores["block-importance"]))
      where unit.layer == layer {
        // Two sums in f64 of the same f32 numbers, one of them of f32 sums x + y (6e-8).
        #expect(abs(value - expected) < 1e-6, "\(unit.id)")
      }
    }
  }

  @Test("condition-number is λ_max / λ_min of the damped Hessian of the worse input")
  func conditionNumber() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 100, in: folder)
    var measurement = measurement(model, calibration, [.conditionNumber])
    let experts = try #require(try measurement.table().scores["condition-number"])
    measurement.granularity = .projection
    let projections = try #require(try measurement.table().scores["condition-number"])
    measurement.granularity = .layer
    let layers = try #require(try measurement.table().scores["condition-number"])
    for expert in 0..<8 {
      let own = projections[3 * expert..<3 * expert + 3]
      #expect(experts[expert] == own.max())
      #expect(projections[3 * expert] == projections[3 * expert + 1])
    }
    #expect(layers == [experts[0..<4].max(), experts[4..<8].max()])
    let layer = try CalibrationLayer(0, in: calibration, experts: 4)
    let sum = try layer.sum(at: .gateUp(.expert(0)), order: 64).dense
    let (low, high) = Reference.extremes(
      Reference.rows(sum.dense), shift: 0.01 * sum.trace / 64)
    // The estimate comes from inside: fifty power iterations on either end.
    #expect(projections[0] <= high / low * 1.001)
    #expect(projections[0] >= high / low * 0.9)
  }

  @Test("an expert without tokens has condition number 1")
  func conditionWithoutTokens() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 1, in: folder)
    let table = try measurement(model, calibration, [.conditionNumber]).table()
    let values = try #require(table.scores["condition-number"])
    for (unit, value) in zip(table.units, values) {
      #expect((value == 1) == (unit.levels[0].loss == nil), "\(unit.id)")
    }
  }

  @Test("projections have the frequency of their expert, whole layers and attention 1")
  func routingOfUnits() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 30, in: folder)
    var measurement = measurement(model, calibration, [.frequency, .routingWeight])
    let experts = try measurement.table().scores
    measurement.granularity = .projection
    let projections = try measurement.table().scores
    measurement.granularity = .layer
    measurement.attention = .separate
    for (name, values) in try measurement.table().scores {
      #expect(values == [Double](repeating: 1, count: 10))
      #expect(projections[name] == experts[name]?.flatMap { [$0, $0, $0] })
    }
  }

  @Test("a calibration of version 1.0 gives the same table, but no block importance")
  func oldCalibration() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 40, in: folder)
    let old = try folder.folder("old")
    for layer in 0..<2 { try copyVersion1(layer, from: calibration, to: old) }
    #expect(
      try measurement(model, old, [.frequency]).table()
        == measurement(model, calibration, [.frequency]).table())
    #expect(throws: MeasurementError.needsResidualStream("block-importance", layer: 0)) {
      try measurement(model, old, [.blockImportance]).table()
    }
    #expect(throws: MeasurementError.needsResidualStream("scale residual", layer: 0)) {
      var scaled = measurement(model, old, [])
      scaled.scale = .residual
      return try scaled.table()
    }
  }

  private func copyVersion1(_ layer: Int, from: URL, to: URL) throws {
    let source = try HDF5Reader(CalibrationLayer.url(layer, in: from))
    let target = try HDF5Writer(CalibrationLayer.url(layer, in: to))
    try target.writeAttribute("assay.calibration", "format")
    try target.writeAttribute("1.0.0", "format_version")
    for name in source.datasets()
    where !name.hasSuffix("cosine_sum") && !name.hasSuffix("inverse_residual_energy") {
      let shape = try source.shape(of: name)
      switch try source.elementName(of: name) {
      case "f32": try target.write(try source.read(name) as [Float], to: name, shape: shape)
      case "f64": try target.write(try source.read(name) as [Double], to: name, shape: shape)
      default: try target.write(try source.read(name) as [Int64], to: name, shape: shape)
      }
      guard name.hasSuffix("/hessian") else { continue }
      try target.writeAttribute(try source.integerAttribute("tokens", of: name), "tokens", of: name)
      try target.writeAttribute("packed-symmetric", "encoding-type", of: name)
    }
    let moe = "layers/0\(layer)/moe"
    try target.writeAttribute(try source.integerAttribute("tokens", of: moe), "tokens", of: moe)
    try target.finish()
  }
}

@Suite("Measurements that cannot be made are refused")
struct MeasurementRefusalTests {
  private func measurement(_ model: TinyMixtral, _ calibration: URL?) -> ExpertMeasurement {
    ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([4]),
      grids: GridFamily(groupSize: 32, symmetric: false),
      calibration: calibration, scores: [])
  }

  @Test("without calibration: all but weight-mse, and GPTQ")
  func needsCalibration() throws {
    var measurement = measurement(try TinyMixtral(), nil)
    measurement.required = [.weightMSE]
    #expect(
      try measurement.table().units.allSatisfy {
        Array($0.levels[0].sensitivities.keys) == ["weight-mse"] && $0.levels[0].loss == nil
      })
    for needed in [Sensitivity.secondOrder, .hawqTrace, .output, .pmq] {
      measurement.required = [.weightMSE, needed]
      #expect(throws: MeasurementError.needsCalibration(needed.rawValue)) {
        try measurement.table()
      }
    }
    measurement.required = []
    for score in ExpertMeasurement.Score.allCases
    where ![.weightOutlier, .weightKurtosis, .predictedImportance].contains(score) {
      measurement.scores = [score]
      #expect(throws: MeasurementError.needsCalibration(score.rawValue)) {
        try measurement.table()
      }
    }
    measurement.scores = []
    measurement.error = .gptq
    #expect(throws: MeasurementError.needsCalibration("gptq")) { try measurement.table() }
  }

  @Test("without routing-weighted sums there is no output error, and pmq needs it or tokens")
  func needsRoutingWeightedSums() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    var measurement = measurement(model, try model.calibrate(tokens: 20, in: folder))
    let names = try measurement.table().units.map { $0.levels[0].sensitivities.keys.sorted() }
    #expect(names.contains(["hawq-trace", "second-order", "weight-mse"]))
    #expect(!names.joined().contains("output") && !names.joined().contains("pmq"))
    for needed in [Sensitivity.output, .pmq] {
      measurement.required = [needed]
      #expect(throws: MeasurementError.needsRoutingWeightedSums(needed.rawValue, layer: 0)) {
        try measurement.table()
      }
    }
    measurement.expertOutput = .init(
      sequences: [Array(model.tokens.prefix(10))], precision: .f32)
    #expect(
      try measurement.table().units.allSatisfy { $0.levels[0].sensitivities["pmq"] != nil })
  }

  @Test("expert-output without tokens, and of whole layers")
  func expertOutput() throws {
    let model = try TinyMixtral()
    var measurement = measurement(model, nil)
    measurement.required = [.expertOutput]
    #expect(throws: MeasurementError.needsExpertOutputSample("expert-output")) {
      try measurement.table()
    }
    measurement.expertOutput = .init(
      sequences: [Array(model.tokens.prefix(10))], precision: .f32)
    measurement.granularity = .layer
    #expect(throws: MeasurementError.expertOutputOfLayers) { try measurement.table() }
  }

  @Test("unknown names, levels that are no whole bits, exponents below zero")
  func values() throws {
    #expect(
      throws: MeasurementError.unknownName(
        "experts", of: "granularity", allowed: ["layer", "expert", "projection"])
    ) { try ExpertMeasurement.Granularity(named: "experts") }
    #expect(try ExpertMeasurement.Granularity(named: "projection") == .projection)
    #expect(
      throws: MeasurementError.unknownName(
        "x", of: "scale", allowed: ["none", "relative", "residual", "gradient"])
    ) { try ExpertMeasurement.Scale(named: "x") }
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    var measurement = measurement(model, try model.calibrate(tokens: 20, in: folder))
    measurement.levels = LevelSet.paper
    measurement.granularity = .projection
    #expect(throws: MeasurementError.mixedProjection(2.5)) { try measurement.table() }
    measurement.granularity = .expert
    measurement.attention = .tied
    #expect(throws: MeasurementError.mixedAttention(2.5)) { try measurement.table() }
    measurement.attention = .none
    measurement.blockSize = 0
    #expect(throws: MeasurementError.badBlockSize(0)) { try measurement.table() }
    measurement.blockSize = 32
    measurement.levels = levelSet([4])
    measurement.pmq.error = -1
    #expect(throws: MeasurementError.badExponent("γ of pmq", -1)) { try measurement.table() }
  }
}

/// cos(x, x + y) of every token.
private final class Cosines: LayerTap {
  private(set) var values: [Double] = []

  var wantsAllTokens: Bool { false }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {}
  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}

  func observe(
    residual x: UnsafePointer<Float>, moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int
  ) {
    for row in 0..<rows {
      let a = (0..<columns).map { Double(x[row * columns + $0]) }
      let b = (0..<columns).map { a[$0] + Double(y[row * columns + $0]) }
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      values.append(dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot())
    }
  }
}

extension Reference {
  /// Extreme eigenvalues of A + shift · I by Jacobi rotations.
  static func extremes(_ matrix: [[Double]], shift: Double) -> (low: Double, high: Double) {
    var a = matrix
    let order = a.count
    for _ in 0..<12 {
      for p in 0..<order {
        for q in (p + 1)..<order where a[p][q] != 0 {
          let theta = 0.5 * atan2(2 * a[p][q], a[q][q] - a[p][p])
          let (c, s) = (cos(theta), sin(theta))
          for k in 0..<order {
            (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q])
          }
          for k in 0..<order {
            (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k])
          }
        }
      }
    }
    let values = a.indices.map { a[$0][$0] + shift }
    return (values.min() ?? 0, values.max() ?? 0)
  }
}
