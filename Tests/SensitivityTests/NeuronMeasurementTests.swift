import BitAllocation
import Calibration
import Checkpoints
import Foundation
import HDF5
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Sensitivity

@Suite("Losses of neurons")
struct NeuronMeasurementTests {
  private let family = GridFamily(groupSize: 32, symmetric: false)

  private func table(tokens: Int) throws -> NeuronTable {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: tokens, in: folder)
    return try withExtendedLifetime(folder) {
      try NeuronMeasurement(
        checkpoint: model.checkpoint, bits: [2, 3, 4], family: family, calibration: calibration
      ).table()
    }
  }

  @Test("experts of all layers in order, ranked by the drop from the lowest to the highest bits")
  func shape() throws {
    let table = try table(tokens: 120)
    #expect(table.experts.map(\.id) == (0..<8).map { "layers.\($0 / 4).experts.\($0 % 4)" })
    #expect(table.weights == 8 * 3 * 64 * 96)
    for expert in table.experts {
      #expect(expert.neurons == 96 && expert.weightsPerNeuron == 3 * 64)
      let drops = (0..<96).map { Double(expert.loss[3 * $0]) - Double(expert.loss[3 * $0 + 2]) }
      let ranked = expert.order.map { drops[Int($0)] }
      // Drops were ranked before losses were rounded to f32.
      for (drop, next) in zip(ranked, ranked.dropFirst()) { #expect(drop >= next - 1e-6 * drop) }
      for level in 0..<2 {
        let sums = (level...level + 1).map { level in
          (0..<96).reduce(0.0) { $0 + Double(expert.loss[3 * $1 + level]) }
        }
        // As for experts: a bit quarters the loss, half of that is asked for.
        #expect(sums[1] < sums[0] / 2)
      }
    }
  }

  @Test("the loss of a neuron is that of its rows, and of its column with a scale of its own")
  func lossByHand() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 40, in: folder)
    let table = try NeuronMeasurement(
      checkpoint: model.checkpoint, bits: [2, 3], family: family, calibration: calibration
    ).table()
    let (layer, index) = (1, 2)
    let statistics = try CalibrationLayer(layer, in: calibration, experts: 4)
    let modules = model.checkpoint.configuration.gatedBlocks(layer: layer)[index].modules
    let weights = try modules.map {
      try model.checkpoint.matrix($0.tensor, rows: $0.rows, columns: $0.columns)
    }
    let sums = try modules.map { try statistics.sum(at: $0.input, order: $0.columns).dense }
    let (grid, columnGrid) = (
      try AffineGrid(bits: 3, groupSize: 32, symmetric: false),
      try AffineGrid(bits: 3, groupSize: nil, symmetric: false)
    )
    let expert = try #require(
      table.experts.first { $0.id == "layers.\(layer).experts.\(index)" })
    for neuron in [0, 17, 95] {
      var expected = 0.0
      for matrix in 0..<2 {
        let row = Matrix(
          rows: 1, columns: 64, storage: (0..<64).map { weights[matrix][neuron, $0] })
        let rounded = try RoundToNearest.quantize(row, grid: grid).dequantized()
        let delta = (0..<64).map { Double(rounded[0, $0]) - Double(row[0, $0]) }
        for i in 0..<64 {
          for j in 0..<64 { expected += delta[i] * Double(sums[matrix][i, j]) * delta[j] }
        }
      }
      let column = Matrix(rows: 1, columns: 64, storage: (0..<64).map { weights[2][$0, neuron] })
      let rounded = try RoundToNearest.quantize(column, grid: columnGrid).dequantized()
      for i in 0..<64 {
        let delta = Double(rounded[0, i]) - Double(column[0, i])
        expected += delta * delta * Double(sums[2][neuron, neuron])
      }
      expected /= Double(statistics.count[index])
      expected /= statistics.outputEnergy / Double(statistics.tokens)
      // Differences and losses are rounded to f32.
      #expect(abs(Double(expert.loss[2 * neuron + 1]) / expected - 1) < 1e-5)
    }
  }

  @Test("shared experts and the MLPs of dense layers are measured too")
  func sharedAndDense() throws {
    let folder = try TemporaryFolder()
    let fixture = TinyMixtral.folder.deletingLastPathComponent().appending(
      path: "families/deepseek-v2")
    let checkpoint = try Checkpoint(fixture)
    let sample = try CalibrationSample(
      text: ("numbers", (0..<40).map { Int32($0) }), count: 1, context: 40, seed: 0)
    try CalibrationWriter.write(sample, through: checkpoint, precision: .f32, to: folder.url)
    let measurement = NeuronMeasurement(
      checkpoint: checkpoint, bits: [2, 4], family: family, calibration: folder.url)
    let table = try measurement.table()
    let expected = (0..<checkpoint.configuration.layerCount).flatMap { layer in
      checkpoint.configuration.gatedBlocks(layer: layer).map {
        LinearModule.unit(layer: layer, $0.block)
      }
    }
    #expect(table.experts.map(\.id) == expected)
    #expect(
      expected.contains { $0.hasSuffix(".mlp") } && expected.contains { $0.hasSuffix(".shared") })
    for expert in table.experts where expert.expert == nil { #expect(expert.isMeasured) }
    let url = folder.url.appending(path: "neurons.h5")
    try table.write(to: url)
    #expect(try NeuronTable(hdf5: url) == table)
  }

  @Test("an expert without tokens has no losses and keeps its order")
  func unusedExpert() throws {
    let table = try table(tokens: 1)
    #expect(table.experts.count { !$0.isMeasured } == 4)
    for expert in table.experts where !expert.isMeasured {
      #expect(expert.order == (0..<96).map { Int32($0) })
    }
  }

  @Test("tables survive the file, experts without losses, shared experts and dense MLPs included")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "neurons.h5")
    let measured = try table(tokens: 1)
    try measured.write(to: url)
    #expect(try NeuronTable(hdf5: url) == measured)
    func expert(_ id: String, _ layer: Int, _ expert: Int?, _ neurons: Int) -> NeuronTable.Expert {
      NeuronTable.Expert(
        id: id, layer: layer, expert: expert, weightsPerNeuron: 5,
        loss: (0..<2 * neurons).map { Float($0) },
        order: (0..<neurons).reversed().map { Int32($0) })
    }
    let table = try NeuronTable(
      bits: [2, 8],
      experts: [
        expert("layers.0.mlp", 0, nil, 7), expert("layers.1.experts.0", 1, 0, 3),
        expert("layers.1.experts.1", 1, 1, 3), expert("layers.1.shared", 1, nil, 6),
      ])
    try table.write(to: url)
    #expect(try NeuronTable(hdf5: url) == table)
  }

  @Test("files that are no neuron tables, or hold sizes and orders that do not fit, are refused")
  func damaged() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "neurons.h5")
    func write(
      format: String = "assay.neuron-table", block: Int64 = 0, neurons: Int64 = 2,
      order: [Int64] = [1, 0]
    ) throws {
      let file = try HDF5Writer(url)
      try file.writeAttribute(format, "format")
      try file.write([Int64(2), 4], to: "bits")
      try file.write([Int64(0)], to: "layers")
      try file.write([block], to: "layer/0/block")
      try file.write([neurons], to: "layer/0/neurons")
      try file.write([Int64(3)], to: "layer/0/weights_per_neuron")
      try file.write(
        [Float](repeating: 1, count: 2 * order.count), to: "layer/0/loss", shape: [order.count, 2])
      try file.write(order, to: "layer/0/order")
      try file.finish()
    }
    try write()
    #expect(try NeuronTable(hdf5: url).experts[0].order == [1, 0])
    try write(format: "other")
    #expect(
      throws: HDF5Error.wrongFormat(
        path: url.path, expected: "assay.neuron-table", found: "other")
    ) { try NeuronTable(hdf5: url) }
    try write(block: -3)
    #expect(throws: HDF5Error.self) { try NeuronTable(hdf5: url) }
    for neurons in [-1, 0, 3, .max] as [Int64] {
      try write(neurons: neurons)
      #expect(throws: HDF5Error.self) { try NeuronTable(hdf5: url) }
    }
    try write(neurons: 1)
    #expect(
      throws: HDF5Error.wrongCount(
        path: url.path, object: "layer/0/order", expected: 1, found: 2)
    ) { try NeuronTable(hdf5: url) }
    for order in [[0, 0], [0, 2], [0, -1]] as [[Int64]] {
      try write(order: order)
      #expect(
        throws: NeuronTableError.notAnOrder(
          expert: "layers.0.experts.0", neuron: Int(order[1]))
      ) { try NeuronTable(hdf5: url) }
    }
    try write(order: [0, .max])
    #expect(throws: NeuronTableError.self) { try NeuronTable(hdf5: url) }
  }

  @Test("bits that no table can have, and tables of another model, are refused")
  func refusals() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    var measurement = NeuronMeasurement(
      checkpoint: model.checkpoint, bits: [2, 4], family: family,
      calibration: try model.calibrate(tokens: 8, in: folder))
    let table = try measurement.table()
    func plan(_ table: NeuronTable) throws -> NeuronPlan {
      try NeuronPlan(uniform: LevelMix(bits: 2), for: table)
    }
    let short = try NeuronTable(bits: [2, 4], experts: Array(table.experts.dropLast()))
    #expect(throws: NeuronMeasurementError.otherExperts(model: 8, table: 7)) {
      try measurement.realisedLosses(of: plan(short), in: short)
    }
    var experts = table.experts
    experts[3].order = [0]
    experts[3].loss = []
    let other = try NeuronTable(bits: [2, 4], experts: experts)
    #expect(
      throws: NeuronMeasurementError.otherExpert(
        model: "layers.0.experts.3 with 96 neurons", table: "layers.0.experts.3 with 1")
    ) { try measurement.realisedLosses(of: plan(other), in: other) }
    #expect(
      throws: NeuronPlanError.wrongSum(unit: "layers.0.experts.3", neurons: 1, expected: 96)
    ) { try measurement.realisedLosses(of: plan(other), in: table) }
    for bits in [[], [4, 2], [2, 9]] {
      measurement.bits = bits
      #expect(throws: NeuronTableError.badBits(bits)) { try measurement.table() }
    }
  }

  @Test("plans are predicted by the table and measured as stored")
  func predictedAgainstRealised() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let measurement = NeuronMeasurement(
      checkpoint: model.checkpoint, bits: [2, 3, 4], family: family,
      calibration: try model.calibrate(tokens: 120, in: folder))
    let table = try measurement.table()
    var realised: [String: Double] = [:]
    for (name, plan) in [
      ("exact", try NeuronAllocation(exact: table, budget: 2.5).plan),
      ("uniform", try NeuronPlan(uniform: LevelMix(bits: 2.5), for: table)),
      ("all 2", try NeuronPlan(uniform: LevelMix(bits: 2), for: table)),
      ("all 4", try NeuronPlan(uniform: LevelMix(bits: 4), for: table)),
    ] {
      let losses = try measurement.realisedLosses(of: plan, in: table)
      let sum = try losses.reduce(0) { $0 + (try #require($1)) }
      realised[name] = sum
      // How far apart they are is a result, not a claim.
      print(
        "\(name): \(table.meanBits(of: plan)) bits, predicted \(table.loss(of: plan) ?? .nan), "
          + "realised \(sum)")
    }
    let (least, most) = (try #require(realised["all 4"]), try #require(realised["all 2"]))
    for loss in realised.values { #expect(least <= loss && loss <= most) }
  }
}
