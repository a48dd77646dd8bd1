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

@Suite("Sensitivity of experts")
struct ExpertMeasurementTests {
  private func measurement(
    _ checkpoint: Checkpoint, calibration: URL?, levels: [Double] = [2, 3, 4],
    scores: Set<ExpertMeasurement.Score> = []
  ) -> ExpertMeasurement {
    ExpertMeasurement(
      checkpoint: checkpoint, levels: levelSet(levels),
      grids: GridFamily(groupSize: 32, symmetric: false),
      calibration: calibration, scores: scores)
  }

  @Test("more bits lose less, summed over units")
  func lossFalls() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let table = try measurement(
      model.checkpoint, calibration: try model.calibrate(tokens: 120, in: folder),
      levels: [2, 3, 4, 8]
    ).table()
    let sums = try (0..<4).map { level in
      try table.units.reduce(0) { $0 + (try #require($1.levels[level].loss)) }
    }
    // A bit halves the step, which quarters a squared error; half of that is asked for.
    for (fewer, more) in zip(sums, sums.dropFirst()) { #expect(more < fewer / 2, "\(sums)") }
    #expect(sums.allSatisfy { $0 > 0 })
  }

  @Test("units are the experts of all layers in order, with the bits of what would be stored")
  func units() throws {
    let model = try TinyMixtral()
    let table = try measurement(model.checkpoint, calibration: nil, levels: [2, 4]).table()
    let expected = (0..<8).map { "layers.\($0 / 4).experts.\($0 % 4)" }
    #expect(table.units.map(\.id) == expected)
    for unit in table.units {
      // gate and up [96, 64], down [64, 96].
      #expect(unit.weights == 3 * 64 * 96)
      #expect(unit.levels.map(\.bits) == [2, 4])
      #expect(unit.levels.map(\.codeBits) == [2, 4].map { $0 * Double(3 * 64 * 96) })
      // A scale of 16 bits and a zero point for each 32 weights.
      #expect(
        unit.levels.map(\.metadataBits) == [2, 4].map { Double(3 * 64 * 96 / 32) * (16 + $0) })
      #expect(unit.levels.allSatisfy { $0.loss == nil })
    }
  }

  @Test("the loss of an expert is tr(Δ S Δᵀ) / n over its modules, relative to the layer's output")
  func lossByHand() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 40, in: folder)
    let table = try measurement(model.checkpoint, calibration: calibration, levels: [3]).table()
    for (layer, expert) in [(0, 1), (1, 3)] {
      let statistics = try CalibrationLayer(layer, in: calibration, experts: 4)
      var expected = 0.0
      for module in model.checkpoint.configuration.gatedBlocks(layer: layer)[expert].modules {
        let weights = try model.checkpoint.matrix(
          module.tensor, rows: module.rows, columns: module.columns)
        let rounded = try RoundToNearest.quantize(
          weights, grid: AffineGrid(bits: 3, groupSize: 32, symmetric: false)
        ).dequantized()
        let sum = try statistics.sum(at: module.input, order: module.columns).dense
        expected +=
          trace(rounded, minus: weights, under: sum) / Double(statistics.count[expert])
      }
      expected /= statistics.outputEnergy / Double(statistics.tokens)
      let unit = try #require(
        table.units.first { $0.id == "layers.\(layer).experts.\(expert)" })
      let loss = try #require(unit.levels[0].loss)
      // Differences are rounded to f32 there (6e-8 of a weight, some 1e-6 of a step) and here not.
      #expect(abs(loss / expected - 1) < 1e-5, "\(loss), \(expected)")
    }
  }

  /// tr(Δ S Δᵀ), Δ = a - b, element by element.
  private func trace(_ a: Matrix, minus b: Matrix, under sum: SymmetricMatrix) -> Double {
    var trace = 0.0
    for row in 0..<a.rows {
      let delta = (0..<a.columns).map { Double(a[row, $0]) - Double(b[row, $0]) }
      for i in delta.indices {
        for j in delta.indices { trace += delta[i] * Double(sum[i, j]) * delta[j] }
      }
    }
    return trace
  }

  @Test("frequency is count / N, routing weight is the applied weight per token")
  func routingScores() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 100, in: folder)
    let table = try measurement(
      model.checkpoint, calibration: calibration, scores: [.frequency, .routingWeight]
    ).table()
    let layers = try (0..<2).map { try CalibrationLayer($0, in: calibration, experts: 4) }
    #expect(table.scores["frequency"] == layers.flatMap { $0.count.map { Double($0) / 100 } })
    #expect(
      table.scores["routing-weight"] == layers.flatMap { $0.weightAfter.map { $0 / 100 } })
    // Two experts a token in two layers, whose weights sum to 1.
    #expect(abs((table.scores["frequency"] ?? []).reduce(0, +) - 4) < 1e-12)
    #expect(abs((table.scores["routing-weight"] ?? []).reduce(0, +) - 2) < 1e-5)
  }

  @Test("an expert that saw no token has no loss; the others of its layer have one")
  func unusedExpert() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 1, in: folder)
    let table = try measurement(model.checkpoint, calibration: calibration).table()
    for unit in table.units {
      let count = try CalibrationLayer(unit.layer, in: calibration, experts: 4)
        .count[try #require(unit.expert)]
      #expect(unit.levels.allSatisfy { ($0.loss != nil) == (count > 0) }, "\(unit.id)")
    }
    #expect(table.units.count { $0.levels[0].loss == nil } == 4)
  }

  @Test("a routing score without calibration is refused by name")
  func needsCalibration() throws {
    let model = try TinyMixtral()
    #expect(throws: MeasurementError.needsCalibration("frequency")) {
      try measurement(model.checkpoint, calibration: nil, scores: [.frequency]).table()
    }
  }

  @Test("a calibration that lacks a layer is refused with the file's name")
  func missingLayer() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 8, in: folder)
    let url = CalibrationLayer.url(1, in: calibration)
    try FileManager.default.removeItem(at: url)
    let error = #expect(throws: HDF5Error.self) {
      try measurement(model.checkpoint, calibration: calibration).table()
    }
    #expect("\(try #require(error))".hasPrefix("\(url.path): cannot be opened"))
  }

  @Test("a calibration of a model with other experts is refused with both numbers")
  func otherExperts() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 8, in: folder)
    let small = try SmallModel(in: folder)
    #expect(
      throws: HDF5Error.wrongCount(
        path: CalibrationLayer.url(0, in: calibration).path, object: "layers/00/router/count",
        expected: 2, found: 4)
    ) { try measurement(small.checkpoint, calibration: calibration, levels: [4]).table() }
  }

  @Test("weight-outlier is the largest max / mean of |W| in an input channel of any projection")
  func weightOutlier() throws {
    let folder = try TemporaryFolder()
    let small = try SmallModel(in: folder)
    let table = try ExpertMeasurement(
      checkpoint: small.checkpoint, levels: levelSet([4]),
      grids: GridFamily(groupSize: 4, symmetric: false),
      calibration: nil,
      scores: [.weightOutlier]
    ).table()
    // Expert 0: channel 1 of gate is (1, -7), 7 / 4. Expert 1: channel 0 of down is (8, 0, 0, 0),
    // 8 / 2. Channels of equal magnitude give 1, zero channels 0.
    #expect(table.scores["weight-outlier"] == [1.75, 4])
  }

  @Test("a layer of progress for each layer of the model")
  func progress() throws {
    let model = try TinyMixtral()
    var seen: [[Int]] = []
    _ = try measurement(model.checkpoint, calibration: nil, levels: [4]).table {
      seen.append([$0, $1])
    }
    #expect(seen == [[1, 2], [2, 2]])
  }
}

/// One layer with two experts of width 2 over 4 channels, written by hand.
private struct SmallModel {
  let checkpoint: Checkpoint

  init(in parent: TemporaryFolder) throws {
    let folder = try parent.folder("small")
    try Data(
      """
      {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "vocab_size": 8,
       "hidden_size": 4, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 2,
       "num_key_value_heads": 1, "num_local_experts": 2, "num_experts_per_tok": 1,
       "hidden_act": "silu", "max_position_embeddings": 16, "rms_norm_eps": 1e-5,
       "rope_theta": 10000.0, "sliding_window": null, "tie_word_embeddings": false}
      """.utf8
    ).write(to: folder.appending(path: "config.json"))
    let prefix = "model.layers.0.block_sparse_moe.experts"
    let tensors: [(String, [Int], [Float])] = [
      ("0.w1", [2, 4], [2, 1, 0, 3, -2, -7, 0, 3]),
      ("0.w3", [2, 4], [1, 1, 1, 1, 1, 1, 1, 1]),
      ("0.w2", [4, 2], [1, 0, 1, 0, -1, 0, 1, 0]),
      ("1.w1", [2, 4], [1, 1, 1, 1, 1, 1, 1, 1]),
      ("1.w3", [2, 4], [0, 0, 0, 0, 0, 0, 0, 0]),
      ("1.w2", [4, 2], [8, 1, 0, 1, 0, 1, 0, 1]),
    ]
    try SafeTensorsWriter.write(
      tensors.map { name, shape, values in
        TensorPayload(
          name: "\(prefix).\(name).weight", dtype: .float32, shape: shape,
          bytes: values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
      }, metadata: [:], to: folder.appending(path: "model.safetensors"))
    checkpoint = try Checkpoint(folder)
  }
}
