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

/// Sensitivities made of gradients, against their formulas written out in f64.
@Suite("Sensitivities of gradients by hand")
struct GradientSensitivityTests {
  private let model: TinyMixtral
  private let folder: TemporaryFolder
  private let sample: CalibrationSample
  private let gradients: URL

  init() throws {
    (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    sample = try CalibrationSample(text: ("golden", model.tokens), count: 3, context: 30, seed: 1)
    gradients = try folder.folder("gradients")
    try GradientWriter.write(sample, through: model.checkpoint, to: gradients)
  }

  private func measurement(_ level: Double) -> ExpertMeasurement {
    var measurement = ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([level]),
      grids: GridFamily(groupSize: 32, symmetric: false), calibration: nil, scores: [])
    measurement.gradients = GradientFolder(gradients)
    return measurement
  }

  private func weights(_ module: LinearModule) throws -> Matrix {
    try model.checkpoint.matrix(module.tensor, rows: module.rows, columns: module.columns)
  }

  private func rounded(_ module: LinearModule, _ bits: Int) throws -> Matrix {
    let grid = try AffineGrid(bits: bits, groupSize: 32, symmetric: false)
    return try RoundToNearest.quantize(try weights(module), grid: grid).dequantized()
  }

  private func pass(
    _ sequences: [[Int32]], _ reduction: GradientPass.Reduction
  ) throws -> GradientPass {
    try GradientPass(
      sequences, source: model.checkpoint, reduction: reduction, scratch: folder.url)
  }

  /// Σ F Δ² of a matrix.
  private func fisherLoss(_ module: LinearModule, bits: Int) throws -> Double {
    let fisher = try FisherDiagonal(gradients).diagonal(of: module)
    let difference = try rounded(module, bits).minus(weights(module))
    return zip(fisher.storage, difference.storage).reduce(0) {
      $0 + Double($1.0) * Double($1.1) * Double($1.1)
    }
  }

  @Test("F is the sum over sequences of the squared slopes of a sequence's mean loss")
  func fisher() throws {
    var expected: [String: [Double]] = [:]
    for sequence in sample.sequences {
      let pass = try pass([sequence], .meanOfSequence)
      for layer in [1, 0] {
        try pass.goBack(through: layer) { slope, _ in
          let squares = slope.weight.storage.map { Double($0) * Double($0) }
          expected[slope.tensor] = expected[slope.tensor].map { zip($0, squares).map(+) } ?? squares
        }
      }
    }
    for module in (0..<2).flatMap(model.checkpoint.configuration.linearModules) {
      let fisher = try FisherDiagonal(gradients).diagonal(of: module)
      #expect(fisher.rows == module.rows && fisher.columns == module.columns)
      let sum = try #require(expected[module.tensor])
      let largest = sum.max() ?? 0
      // Slopes are good to 1e-5 of the largest, squared here.
      #expect(zip(fisher.storage, sum).allSatisfy { abs(Double($0) - $1) <= 1e-4 * largest })
    }
  }

  @Test("fisher is Σ F Δ², and fisher-condition every matrix's times its condition number")
  func losses() throws {
    var measurement = measurement(2)
    let plain = try measurement.table()
    measurement.calibration = try model.calibrate(tokens: 100, in: folder)
    measurement.required = [.fisherCondition]
    let table = try measurement.table()
    for (layer, expert) in [(0, 1), (1, 3)] {
      let id = "layers.\(layer).experts.\(expert)"
      let level = try #require(table.units.first { $0.id == id }).levels[0]
      let statistics = try CalibrationLayer(
        layer, in: measurement.calibration ?? gradients, experts: 4)
      var (fisher, conditioned) = (0.0, 0.0)
      for module in model.checkpoint.configuration.gatedBlocks(layer: layer)[expert].modules {
        let loss = try fisherLoss(module, bits: 2)
        let sum = try statistics.sum(at: module.input, order: module.columns)
        let condition = try ConditionEstimate(
          of: sum.scaled(by: 2 / Float(statistics.count[expert])), relativeDamping: 0.01
        ).condition
        fisher += loss
        conditioned += condition * loss
      }
      // Differences of weights are rounded to f32 in both.
      #expect(abs((level.sensitivities["fisher"] ?? 0) - fisher) <= 1e-6 * fisher)
      #expect(
        abs((level.sensitivities["fisher-condition"] ?? 0) - conditioned) <= 1e-6 * conditioned)
      let without = try #require(plain.units.first { $0.id == id }).levels[0].sensitivities
      #expect(without["fisher"] == level.sensitivities["fisher"])
      #expect(without["fisher-condition"] == nil)
    }
  }

  @Test(
    "scale gradient is Σ (g · w · (E(x) - Ê(x)))² / N over the tokens of the gradient",
    arguments: [ExpertMeasurement.Granularity.expert, .projection, .layer])
  func scale(granularity: ExpertMeasurement.Granularity) throws {
    var measurement = measurement(2)
    measurement.scale = .gradient
    measurement.granularity = granularity
    let table = try measurement.table()
    let backward = try pass(sample.sequences, .sum)
    try backward.goBack(through: 1) { _, _ in }
    // Behind layer 0 now.
    let slopes = backward.slopes
    let forward = try ForwardPass(
      sample.sequences, source: model.checkpoint, precision: .f32, batchTokens: 50)
    let inputs = TokenInputs()
    try forward.runLayer(0, tap: inputs)
    let blocks = model.checkpoint.configuration.gatedBlocks(layer: 0)
    func loss(_ expert: Int, _ members: Set<Int>) throws -> Double {
      let modules = blocks[expert].modules
      let exact = try modules.map { Reference.rows(try weights($0)) }
      let coarse = try modules.map { Reference.rows(try rounded($0, 2)) }
      let matrices = (0..<3).map { members.contains($0) ? coarse[$0] : exact[$0] }
      var sum = 0.0
      for (token, x, weight) in inputs.rows[expert] ?? [] {
        for (channel, (a, b)) in zip(Reference.mlp(exact, x), Reference.mlp(matrices, x))
          .enumerated()
        {
          let term = Double(slopes[token, channel]) * weight * (a - b)
          sum += term * term
        }
      }
      return sum / Double(slopes.rows)
    }
    func expectLoss(_ id: String, _ expected: Double) throws {
      let measured = try #require(table.units.first { $0.id == id }?.levels[0].loss)
      // As for expert-output; slopes are good to some 1e-5.
      #expect(abs(measured / expected - 1) < 5e-4, "\(id): \(measured), \(expected)")
    }
    switch granularity {
    case .expert: try expectLoss("layers.0.experts.2", loss(2, [0, 1, 2]))
    case .projection:
      for (index, name) in ["gate", "up", "down"].enumerated() {
        try expectLoss("layers.0.experts.2.\(name)", loss(2, [index]))
      }
    case .layer:
      try expectLoss(
        "layers.0.experts", (0..<4).reduce(0) { try $0 + loss($1, [0, 1, 2]) })
    }
  }

  @Test("what is not kept, not there or makes no sense is said")
  func errors() throws {
    var measurement = measurement(2)
    measurement.gradients = nil
    measurement.required = [.fisher]
    #expect(throws: MeasurementError.needsGradients("fisher")) { try measurement.table() }
    measurement.required = []
    measurement.scale = .gradient
    #expect(throws: MeasurementError.needsGradients("gradient")) { try measurement.table() }
    measurement.gradients = GradientFolder(gradients)
    measurement.factors = .init(frequency: 1)
    #expect(throws: MeasurementError.gradientWithFactors) { try measurement.table() }
    measurement.factors = .init()
    measurement.attention = .separate
    #expect(throws: MeasurementError.gradientOfAttention) { try measurement.table() }
    measurement.attention = .none

    let slopesOnly = try folder.folder("slopes")
    try GradientWriter.write(
      sample, through: model.checkpoint, options: .init(fisher: false), to: slopesOnly)
    measurement.gradients = GradientFolder(slopesOnly)
    #expect(
      try measurement.table().units.allSatisfy { $0.levels[0].sensitivities["fisher"] == nil })
    measurement.required = [.fisher]
    let missing = #expect(throws: GradientFolderError.self) { try measurement.table() }
    #expect(missing?.description.contains("no Fisher diagonal of model.layers.0.") == true)
    let fisherOnly = try folder.folder("fisher")
    try GradientWriter.write(
      sample, through: model.checkpoint, options: .init(outputSlopes: false), to: fisherOnly)
    measurement.gradients = GradientFolder(fisherOnly)
    #expect(throws: GradientFolderError.self) { try measurement.table() }
    measurement.gradients = GradientFolder(folder.url.appending(path: "nothing"))
    #expect(throws: HDF5Error.self) { try measurement.table() }
  }

  @Test("the folder holds the sample and its losses, and nothing of the working file")
  func contents() throws {
    #expect(try GradientFolder(gradients).sequences() == sample.sequences)
    let names = try FileManager.default.contentsOfDirectory(atPath: gradients.path)
    #expect(names.sorted() == ["layer-00.h5", "layer-01.h5", "sample.h5"])
    let losses: [Double] = try HDF5Reader(GradientFolder.sampleURL(gradients)).read("losses")
    let expected = try pass(sample.sequences, .sum).losses
    #expect(losses == expected && losses.allSatisfy { $0 > 0 })
  }
}

/// Inputs of all experts, with the token each row comes from and its routing weight.
private final class TokenInputs: LayerTap {
  private(set) var rows: [Int: [(token: Int, x: [Double], weight: Double)]] = [:]
  private var first = 0
  private var routing: Routing?

  var wantsAllTokens: Bool { false }

  func observe(_ routing: Routing) { self.routing = routing }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows count: Int, columns: Int, weights: [Float]?
  ) {
    guard case .gateUp(.expert(let expert)) = site, let routing else { return }
    let tokens = (0..<routing.tokens).filter { token in
      routing.experts[token * routing.topK..<(token + 1) * routing.topK].contains(expert)
    }
    for row in 0..<count {
      rows[expert, default: []].append(
        (
          first + tokens[row], (0..<columns).map { Double(x[row * columns + $0]) },
          Double(weights?[row] ?? 1)
        ))
    }
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) { first += rows }
}
