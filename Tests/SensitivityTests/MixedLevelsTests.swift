import BitAllocation
import Calibration
import Foundation
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Sensitivity

@Suite("Half levels and mixes of experts")
struct MixedLevelsTests {
  private let family = GridFamily(groupSize: 20, symmetric: false)

  /// An expert of the tiny model with what calibration knows of it.
  private func inputs(
    layer: Int, expert: Int, tokens: Int = 40
  ) throws -> (weights: GatedWeights, moments: GatedMoments, energy: Double, table: Level) {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: tokens, in: folder)
    let statistics = try CalibrationLayer(layer, in: calibration, experts: 4)
    let modules = model.checkpoint.configuration.gatedBlocks(layer: layer)[expert].modules
    let table = try ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([3]),
      grids: GridFamily(groupSize: 20, symmetric: false),
      calibration: calibration, scores: []
    ).table()
    let unit = try #require(table.units.first { $0.id == "layers.\(layer).experts.\(expert)" })
    return (
      try GatedWeights(of: modules, from: model.checkpoint),
      try GatedMoments(of: modules, statistics),
      statistics.outputEnergy / Double(statistics.tokens), unit.levels[0]
    )
  }

  private func levels() throws -> LevelSet {
    try LevelSet(json: [2, 2.5, 3, 3.5, 4, ["8": 0.34, "2": 0.33, "1": 0.33]])
  }

  @Test("a whole level is that of the expert table")
  func wholeLevel() throws {
    let (weights, moments, energy, table) = try inputs(layer: 1, expert: 2)
    let mixed = try MixedLevels(weights, moments: moments, levels: levels(), family: family)
    let entry = try mixed.entry(of: LevelMix(bits: 3))
    #expect(entry.slices == [NeuronSlice(bits: 3, neurons: 96)])
    #expect(Double(entry.codeBits) == table.codeBits)
    #expect(Double(entry.metadataBits) == table.metadataBits)
    let loss = try #require(entry.loss) / energy
    // Sums over rows in another order.
    #expect(abs(loss / (try #require(table.loss)) - 1) < 1e-12)
  }

  @Test("a weight that no scale can hold is refused with its tensor, at whole and at half levels")
  func hugeWeight() throws {
    let model = try TinyMixtral()
    let modules = model.checkpoint.configuration.gatedBlocks(layer: 1)[2].modules
    let rounding = LevelRounding(grids: family, error: .rtn, blockSize: 8)
    let set = try levels()
    for (place, huge) in modules.enumerated() {
      let inputs = try modules.enumerated().map { index, module in
        var weights = try model.checkpoint.matrix(
          module.tensor, rows: module.rows, columns: module.columns)
        if index == place { weights[3, 5] = 1e36 }
        return ModuleInput(module: module, weights: weights, moments: nil)
      }
      for level in set.levels where level.bits == 3 || level.bits == 2.5 {
        let error = #expect(throws: ModuleError.self) { try rounding.rounded(inputs, to: level) }
        #expect(error?.module == huge.tensor && error?.isScaleOverflow ?? false)
      }
    }
  }

  @Test("tables of experts hold half levels and mixes as stored slices lose and cost them")
  func inTables() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 60, in: folder)
    let set = try levels()
    let table = try ExpertMeasurement(
      checkpoint: model.checkpoint, levels: set, grids: family, calibration: calibration,
      scores: []
    ).table()
    #expect(table.neuronBlocks?.size == 32)
    #expect(table.neuronBlocks?.mixes == set.levels.filter { $0.parts.count == 3 })
    let statistics = try CalibrationLayer(1, in: calibration, experts: 4)
    let energy = statistics.outputEnergy / Double(statistics.tokens)
    for expert in 0..<4 {
      let unit = try #require(table.units.first { $0.id == "layers.1.experts.\(expert)" })
      #expect(unit.levels.map(\.bits) == set.levels.map(\.bits))
      let modules = model.checkpoint.configuration.gatedBlocks(layer: 1)[expert].modules
      let mixed = try MixedLevels(
        GatedWeights(of: modules, from: model.checkpoint),
        moments: GatedMoments(of: modules, statistics), levels: set, family: family)
      for (level, found) in zip(set.levels, unit.levels) {
        let entry = try mixed.entry(of: level)
        #expect(found.codeBits == Double(entry.codeBits))
        #expect(found.metadataBits == Double(entry.metadataBits))
        #expect(abs((try #require(found.loss)) * energy / (try #require(entry.loss)) - 1) < 1e-5)
      }
    }
    let url = folder.url.appending(path: "table.h5")
    try table.write(to: url)
    #expect(try SensitivityTable(hdf5: url) == table)
    #expect(try SensitivityTable(json: table.json()) == table)
  }

  @Test("with GPTQ's error a half level lies between its neighbours, and below that of rounding")
  func gptq() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try model.calibrate(tokens: 120, in: folder)
    var measurement = ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([2, 2.5, 3]), grids: family,
      calibration: calibration, scores: [])
    let rounded = try measurement.table()
    measurement.error = .gptq
    let solved = try measurement.table()
    for (a, b) in zip(rounded.units, solved.units) {
      let losses = try b.levels.map { try #require($0.loss) }
      #expect(losses[0] > losses[1] && losses[1] > losses[2], "\(b.id)")
      #expect(losses[1] < (try #require(a.levels[1].loss)), "\(b.id)")
    }
  }

  @Test("half levels and mixes lose and cost what the stored slices do", arguments: 0..<2)
  func asStored(layer: Int) throws {
    let (weights, moments, _, _) = try inputs(layer: layer, expert: 1)
    let mixed = try MixedLevels(weights, moments: moments, levels: levels(), family: family)
    for level in try levels().levels {
      let order = mixed.order(for: level)
      let entry = try mixed.entry(of: level)
      #expect(entry.slices == level.split(neurons: 96))
      let stored = try MixedExpert(
        rounding: weights, order: order, split: entry.slices.map { ($0.bits, $0.neurons) },
        family: family)
      #expect(entry.codeBits == stored.codeBits)
      #expect(entry.metadataBits == stored.metadataBits)
      let rounded = stored.dequantized()
      let expected =
        trace(rounded.gate, minus: weights.gate, moments.input)
        + trace(rounded.up, minus: weights.up, moments.input)
        + trace(rounded.down, minus: weights.down, moments.hidden)
      // Differences are rounded to f32 there.
      #expect(abs((try #require(entry.loss)) / expected - 1) < 1e-5, "\(level.bits)")
    }
  }

  /// tr(Δ S Δᵀ) / n, Δ = a - b, element by element.
  private func trace(_ a: Matrix, minus b: Matrix, _ site: GatedMoments.Site) -> Double {
    let sum = site.sum.dense
    var trace = 0.0
    for row in 0..<a.rows {
      let delta = (0..<a.columns).map { Double(a[row, $0]) - Double(b[row, $0]) }
      for i in delta.indices {
        for j in delta.indices { trace += delta[i] * Double(sum[i, j]) * delta[j] }
      }
    }
    return trace / Double(site.tokens)
  }

  @Test("a half level ranks neurons by the drop of loss between its own two widths")
  func order() throws {
    let (weights, moments, _, _) = try inputs(layer: 0, expert: 3)
    let mixed = try MixedLevels(weights, moments: moments, levels: .paper, family: family)
    let losses = try #require(mixed.losses)
    for (level, low) in [(2.5, 2), (3.5, 3)] {
      let (few, more) = (losses.total(bits: low), losses.total(bits: low + 1))
      let drops = mixed.order(for: try LevelMix(bits: level)).neurons.map { few[$0] - more[$0] }
      #expect(zip(drops, drops.dropFirst()).allSatisfy { $0 >= $1 })
    }
    #expect(mixed.order(for: try LevelMix(bits: 3)) == .identity(96))
    // The best third first loses less than the worst third first.
    let level = try LevelMix(bits: 2.5)
    let order = mixed.order(for: level)
    let reversed = try NeuronOrder(order.neurons.reversed())
    #expect(
      try #require(mixed.entry(of: level).loss)
        < #require(mixed.entry(of: level, order: reversed).loss))
  }

  @Test("without tokens there are costs but no losses")
  func withoutTokens() throws {
    let (weights, moments, _, _) = try inputs(layer: 0, expert: 1)
    var empty = moments
    (empty.input.tokens, empty.hidden.tokens) = (0, 0)
    let known = try MixedLevels(weights, moments: moments, levels: .paper, family: family)
    for moments in [nil, empty] {
      let mixed = try MixedLevels(weights, moments: moments, levels: .paper, family: family)
      for level in LevelSet.paper.levels {
        let (entry, expected) = (try mixed.entry(of: level), try known.entry(of: level))
        #expect(entry.loss == nil && expected.loss != nil)
        #expect(entry.codeBits == expected.codeBits && entry.metadataBits == expected.metadataBits)
      }
    }
  }
}
