import BitAllocation
import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Sensitivity
import Tensors
import Testing

/// Every number against the formula written out, element by element in f64.
@Suite("Sensitivities by hand")
struct SensitivityValueTests {
  private let model: TinyMixtral
  private let folder: TemporaryFolder
  private let calibration: URL

  init() throws {
    (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    calibration = try model.calibrate(
      tokens: 100, in: folder, options: CalibrationOptions(routingWeighted: true))
  }

  private func measurement(_ levels: [Double] = [1, 3]) -> ExpertMeasurement {
    ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet(levels),
      grids: GridFamily(groupSize: 32, symmetric: false),
      calibration: calibration, scores: [])
  }

  private func modules(_ layer: Int, _ expert: Int) -> [LinearModule] {
    model.checkpoint.configuration.gatedBlocks(layer: layer)[expert].modules
  }

  private func weights(_ module: LinearModule) throws -> Matrix {
    try model.checkpoint.matrix(module.tensor, rows: module.rows, columns: module.columns)
  }

  private func rounded(_ module: LinearModule, _ bits: Double) throws -> Matrix {
    let grid = try AffineGrid(bits: Int(bits), groupSize: 32, symmetric: false)
    return try RoundToNearest.quantize(try weights(module), grid: grid).dequantized()
  }

  private func unit(_ id: String, of table: SensitivityTable) throws -> BitAllocation.Unit {
    try #require(table.units.first { $0.id == id })
  }

  /// Differences of weights are rounded to f32 in the measurement and not here: 6e-8 of a weight,
  /// some 1e-6 of a step.
  private func expectEqual(
    _ value: Double?, _ expected: Double, _ comment: Comment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let value = try #require(value, comment, sourceLocation: sourceLocation)
    #expect(
      abs(value - expected) <= 1e-5 * abs(expected), "\(comment): \(value), \(expected)",
      sourceLocation: sourceLocation)
  }

  @Test(
    "second-order, hawq-trace, weight-mse, output and pmq of an expert",
    arguments: [(0, 1), (1, 3)])
  func expert(layer: Int, expert: Int) throws {
    let table = try measurement().table()
    let statistics = try CalibrationLayer(layer, in: calibration, experts: 4)
    let n = Double(statistics.count[expert])
    for (index, bits) in [1.0, 3].enumerated() {
      var (secondOrder, trace, squares, output) = (0.0, 0.0, 0.0, 0.0)
      for module in modules(layer, expert) {
        let delta = Reference.difference(try rounded(module, bits), try weights(module))
        let sum = try statistics.sum(at: module.input, order: module.columns).dense
        let weighted = try statistics.routingWeightedSum(
          at: module.input, order: module.columns
        ).dense
        let square = delta.joined().reduce(0) { $0 + $1 * $1 }
        secondOrder += Reference.trace(delta, under: sum) / n
        trace += 2 * sum.trace / (n * Double(module.columns)) * square
        squares += square
        output += Reference.trace(delta, under: weighted) / 100
      }
      let share = n / Double(statistics.count.reduce(0, +))
      let weight = statistics.weightBefore[expert] / statistics.weightBefore.reduce(0, +)
      let level = try unit("layers.\(layer).experts.\(expert)", of: table).levels[index]
      let measured = level.sensitivities
      #expect(
        measured.keys.sorted() == ["hawq-trace", "output", "pmq", "second-order", "weight-mse"])
      try expectEqual(measured["second-order"], secondOrder, "second-order")
      try expectEqual(measured["hawq-trace"], trace, "hawq-trace")
      try expectEqual(measured["weight-mse"], squares / Double(3 * 64 * 96), "weight-mse")
      try expectEqual(measured["output"], output, "output")
      try expectEqual(
        measured["pmq"], share * pow(weight, 1.5) * (100 * output).squareRoot(), "pmq")
      try expectEqual(
        level.loss, secondOrder / (statistics.outputEnergy / 100), "relative loss")
    }
  }

  @Test("one bit is sign · mean |w| of the group")
  func oneBit() throws {
    let table = try measurement([1]).table()
    var squares = 0.0
    for module in modules(0, 0) {
      let weights = try weights(module)
      for start in stride(from: 0, to: weights.storage.count, by: 32) {
        let group = weights.storage[start..<start + 32].map { Double($0) }
        let mean = group.reduce(0) { $0 + abs($1) } / 32
        squares += group.reduce(0) { $0 + pow(abs($1) - mean, 2) }
      }
    }
    let mse = try unit("layers.0.experts.0", of: table).levels[0].sensitivities["weight-mse"]
    // The scale is rounded to binary16, 5e-4 of it; at the minimum that changes squares by 2e-7.
    #expect(abs(try #require(mse) * Double(3 * 64 * 96) / squares - 1) < 1e-5)
  }

  @Test("scale residual divides by the harmonic mean of the squared length of the residual stream")
  func residualScale() throws {
    var measurement = measurement()
    measurement.scale = .none
    let plain = try measurement.table()
    measurement.scale = .residual
    let scaled = try measurement.table()
    let pass = try ForwardPass(
      [Array(model.tokens.prefix(100))], source: model.checkpoint, precision: .f32)
    for layer in 0..<2 {
      try pass.runLayer(layer, tap: nil)
      let stream = pass.states
      let inverse = (0..<100).reduce(0.0) { sum, row in
        sum + 1 / (0..<stream.columns).reduce(0.0) { $0 + pow(Double(stream[row, $1]), 2) }
      }
      for (unit, other) in zip(scaled.units, plain.units) where unit.layer == layer {
        for (level, before) in zip(unit.levels, other.levels) {
          try expectEqual(
            level.loss, try #require(before.loss) * inverse / 100, "\(unit.id)")
          #expect(level.sensitivities == before.sensitivities)
        }
      }
    }
  }

  @Test("factors are (n/N)^α · mean(w)^β; scale none leaves the loss as it is")
  func factors() throws {
    var measurement = measurement()
    measurement.scale = .none
    measurement.factors = .init(frequency: 0.5, routingWeight: 2)
    let table = try measurement.table()
    for unit in table.units {
      let statistics = try CalibrationLayer(unit.layer, in: calibration, experts: 4)
      let expert = try #require(unit.expert)
      let n = Double(statistics.count[expert])
      let factor = (n / 100).squareRoot() * pow(statistics.weightAfter[expert] / n, 2)
      for level in unit.levels {
        try expectEqual(
          level.loss, factor * (try #require(level.sensitivities["second-order"])), "\(unit.id)")
      }
    }
  }

  @Test("error gptq is the error of what GPTQ makes of the weights, and less than that of rounding")
  func gptq() throws {
    var measurement = measurement([3])
    let rtn = try measurement.table()
    measurement.error = .gptq
    let table = try measurement.table()
    let statistics = try CalibrationLayer(1, in: calibration, experts: 4)
    var expected = 0.0
    for module in modules(1, 2) {
      let sum = try statistics.sum(at: module.input, order: module.columns)
      let n = try statistics.tokens(at: module.input)
      let solver = GPTQ(grid: try AffineGrid(bits: 3, groupSize: 32, symmetric: false))
      let packed = try solver.quantize(
        try weights(module), hessian: sum.scaled(by: 2 / Float(n))
      ).packed
      let delta = Reference.difference(packed.dequantized(), try weights(module))
      expected += Reference.trace(delta, under: sum.dense) / Double(n)
    }
    let level = try unit("layers.1.experts.2", of: table).levels[0]
    try expectEqual(level.sensitivities["second-order"], expected, "second-order")
    for (unit, other) in zip(table.units, rtn.units) {
      #expect(try #require(unit.levels[0].loss) < (try #require(other.levels[0].loss)))
    }
  }

  @Test("error gptq is that of rounding where too few tokens came")
  func gptqFallback() throws {
    var measurement = measurement([3])
    measurement.error = .gptq(GPTQOptions(), minimumTokens: 1000)
    let fallback = try measurement.table()
    measurement.error = .rtn
    #expect(try fallback == measurement.table())
  }

  @Test(
    "expert-output is ‖Σ w (E(x) - Ê(x))‖_F over the tokens of the expert, and pmq's ε",
    arguments: [ExpertMeasurement.Granularity.expert, .projection])
  func expertOutput(granularity: ExpertMeasurement.Granularity) throws {
    let sequence = Array(model.tokens.prefix(60))
    var measurement = measurement([2])
    measurement.granularity = granularity
    measurement.required = [.expertOutput, .pmq]
    measurement.expertOutput = .init(sequences: [sequence], precision: .f32)
    let table = try measurement.table()
    let pass = try ForwardPass([sequence], source: model.checkpoint, precision: .f32)
    let inputs = Inputs(expert: 2)
    try pass.runLayer(0, tap: inputs)
    let modules = modules(0, 2)
    let exact = try modules.map { Reference.rows(try weights($0)) }
    let coarse = try modules.map { Reference.rows(try rounded($0, 2)) }
    let statistics = try CalibrationLayer(0, in: calibration, experts: 4)
    let share = Double(statistics.count[2]) / 200
    let weight = statistics.weightBefore[2] / statistics.weightBefore.reduce(0, +)
    let parts: [(name: String, members: Set<Int>)] =
      granularity == .expert ? [("", [0, 1, 2])] : [(".gate", [0]), (".up", [1]), (".down", [2])]
    for (name, members) in parts {
      var squares = 0.0
      for (x, weight) in inputs.rows {
        let matrices = (0..<3).map { members.contains($0) ? coarse[$0] : exact[$0] }
        let difference = zip(Reference.mlp(exact, x), Reference.mlp(matrices, x)).map { $0 - $1 }
        squares += weight * weight * difference.reduce(0) { $0 + $1 * $1 }
      }
      let measured = try unit("layers.0.experts.2\(name)", of: table).levels[0].sensitivities
      let value = try #require(measured["expert-output"])
      // Outputs of f32 products differ by some 1e-6 of their size, of which a 2-bit error is a fifth.
      #expect(abs(value / squares.squareRoot() - 1) < 1e-4, "\(name)")
      try expectEqual(measured["pmq"], share * pow(weight, 1.5) * value, "pmq")
    }
  }

  @Test("bits and losses of projections add up to those of experts, and these to their layer's")
  func additive() throws {
    var measurement = measurement()
    measurement.granularity = .projection
    let projections = try measurement.table()
    measurement.granularity = .expert
    let experts = try measurement.table()
    measurement.granularity = .layer
    let layers = try measurement.table()
    #expect(
      projections.units.prefix(3).map(\.id)
        == ["gate", "up", "down"].map {
          "layers.0.experts.0.\($0)"
        })
    #expect(projections.units.allSatisfy { $0.part == .expert && $0.expert != nil })
    #expect(layers.units.map(\.id) == ["layers.0.experts", "layers.1.experts"])
    for unit in experts.units {
      try expectSum(projections.units.filter { $0.id.hasPrefix(unit.id + ".") }, is: unit)
    }
    for unit in layers.units {
      try expectSum(experts.units.filter { $0.layer == unit.layer }, is: unit)
    }
    // The errors of experts are added before their root is taken.
    for unit in layers.units {
      let parts = experts.units.filter { $0.layer == unit.layer }
      try expectEqual(
        unit.levels[0].sensitivities["pmq"],
        try parts.reduce(0) { $0 + (try #require($1.levels[0].sensitivities["pmq"])) }, "pmq")
    }
  }

  private func expectSum(_ parts: [BitAllocation.Unit], is whole: BitAllocation.Unit) throws {
    #expect(parts.reduce(0) { $0 + $1.weights } == whole.weights)
    for (index, level) in whole.levels.enumerated() {
      let levels = parts.map { $0.levels[index] }
      #expect(levels.reduce(0) { $0 + $1.codeBits } == level.codeBits)
      #expect(levels.reduce(0) { $0 + ($1.metadataBits ?? .nan) } == level.metadataBits)
      try expectEqual(level.loss, levels.reduce(0) { $0 + ($1.loss ?? .nan) }, "loss")
      for name in ["second-order", "hawq-trace", "output"] {
        try expectEqual(
          level.sensitivities[name], levels.reduce(0) { $0 + ($1.sensitivities[name] ?? .nan) },
          "\(name)")
      }
      let squares = zip(parts, levels).reduce(0) {
        $0 + Double($1.0.weights) * ($1.1.sensitivities["weight-mse"] ?? .nan)
      }
      try expectEqual(
        level.sensitivities["weight-mse"], squares / Double(whole.weights), "weight-mse")
    }
  }

  @Test("a layer's loss is that of the experts that tokens reached")
  func unusedExperts() throws {
    var measurement = measurement()
    measurement.calibration = try model.calibrate(tokens: 1, in: folder)
    let experts = try measurement.table()
    measurement.granularity = .layer
    let layers = try measurement.table()
    for unit in layers.units {
      let losses = experts.units.filter { $0.layer == unit.layer }.compactMap(\.levels[0].loss)
      #expect(losses.count == 2)
      try expectEqual(unit.levels[0].loss, losses.reduce(0, +), "loss")
    }
  }

  @Test("attention has units q, k, v and o with the losses of their inputs; q, k and v can be tied")
  func attention() throws {
    var measurement = measurement([4])
    #expect(try measurement.table().units.allSatisfy { $0.part == .expert })
    measurement.attention = .separate
    #expect(try measurement.table().units.allSatisfy { $0.tie == nil })
    measurement.attention = .tied
    measurement.granularity = .layer
    let table = try measurement.table()
    let names = ["q", "k", "v", "o"]
    #expect(
      table.units.map(\.id)
        == (0..<2).flatMap { layer in
          names.map { "layers.\(layer).attention.\($0)" } + ["layers.\(layer).experts"]
        })
    let attention = table.units.filter { $0.part == .attention }
    #expect(attention.map(\.projection) == names + names)
    #expect(
      attention.prefix(4).map(\.tie) == [String?](repeating: "layers.0.attention.qkv", count: 3)
        + [nil])
    let key = model.checkpoint.configuration.linearModules(layer: 1)[1]
    let statistics = try CalibrationLayer(1, in: calibration, experts: 4)
    let sum = try statistics.sum(at: .queryKeyValue, order: 64).dense
    let delta = Reference.difference(try rounded(key, 4), try weights(key))
    let level = try unit("layers.1.attention.k", of: table).levels[0]
    let expected = Reference.trace(delta, under: sum) / 100
    try expectEqual(level.sensitivities["second-order"], expected, "second-order")
    try expectEqual(level.sensitivities["output"], expected, "output")
    try expectEqual(level.loss, expected / (statistics.outputEnergy / 100), "loss")
    #expect(level.sensitivities["pmq"] == nil)
  }

  @Test("experts that fewer tokens reach than asked for are marked")
  func fewTokens() throws {
    var measurement = measurement([4])
    let counts = try (0..<2).flatMap {
      try CalibrationLayer($0, in: calibration, experts: 4).count
    }
    measurement.minimumTokens = Int(try #require(counts.max()))
    #expect(
      try measurement.table().units.map(\.hasFewTokens)
        == counts.map { Int($0) < measurement.minimumTokens })
    measurement.calibration = nil
    #expect(try !measurement.table().units.contains(where: \.hasFewTokens))
  }
}

/// The formulas in f64.
enum Reference {
  static func rows(_ matrix: Matrix) -> [[Double]] {
    (0..<matrix.rows).map { row in
      (0..<matrix.columns).map { Double(matrix[row, $0]) }
    }
  }

  static func difference(_ a: Matrix, _ b: Matrix) -> [[Double]] {
    zip(rows(a), rows(b)).map { zip($0, $1).map { $0 - $1 } }
  }

  /// tr(Δ S Δᵀ).
  static func trace(_ delta: [[Double]], under sum: SymmetricMatrix) -> Double {
    let dense = (0..<sum.order).map { i in (0..<sum.order).map { Double(sum[i, $0]) } }
    return delta.reduce(0) { trace, row in
      trace + zip(row, dense).reduce(0) { $0 + $1.0 * dot(row, $1.1) }
    }
  }

  /// down(silu(gate x) · up x).
  static func mlp(_ matrices: [[[Double]]], _ x: [Double]) -> [Double] {
    let gate = matrices[0].map { dot($0, x) }
    let up = matrices[1].map { dot($0, x) }
    let inner = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
    return matrices[2].map { dot($0, inner) }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
  }
}

/// Inputs of an expert and their routing weights.
private final class Inputs: LayerTap {
  let expert: Int
  private(set) var rows: [(x: [Double], weight: Double)] = []

  init(expert: Int) { self.expert = expert }

  var wantsAllTokens: Bool { false }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows count: Int, columns: Int, weights: [Float]?
  ) {
    guard site == .gateUp(.expert(expert)) else { return }
    for row in 0..<count {
      rows.append(
        ((0..<columns).map { Double(x[row * columns + $0]) }, Double(weights?[row] ?? 1)))
    }
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}
}
