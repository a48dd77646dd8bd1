import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Reconstruction

@Suite("Models put together from a level store")
struct LevelStoreTests {
  /// The tiny model with everything at 2 and at 4 bits.
  private struct Store {
    let model = try! TinyMixtral()
    let levels: [Double: QuantizedCheckpoint]
    let store: LevelStore

    init() throws {
      var folders: [Double: URL] = [:]
      for bits in [2, 4] {
        let folder = try model.subfolder("level-\(bits)")
        _ = try ModelQuantizer(
          model.checkpoint,
          method: QuantizationMethod(
            solver: .roundToNearest, grids: GridFamily(groupSize: 8, symmetric: false)),
          calibration: nil
        ) { $0.unit == nil ? .bits(4) : .bits(bits) }.write(to: folder)
        folders[Double(bits)] = folder
      }
      levels = try folders.mapValues { try QuantizedCheckpoint($0) }
      store = try LevelStore(folders)
    }

    func modules(_ projection: Projection) -> [LinearModule] {
      store.configuration.linearModules(layer: 0).filter { $0.projection == projection }
    }

    func stored(_ module: LinearModule, at level: Double) throws -> Matrix {
      try #require(levels[level]).matrix(
        module.tensor, rows: module.rows, columns: module.columns)
    }
  }

  @Test("a module is that of its level, bit by bit, and what is not named is that of any")
  func modules() throws {
    let store = try Store()
    let (up, down) = (store.modules(.up)[1], store.modules(.down)[0])
    let source = store.store.assembled([
      up.tensor: [.init(level: 4)], down.tensor: [.init(level: 2)],
    ])
    for (module, level) in [(up, 4.0), (down, 2.0), (store.modules(.query)[0], 4.0)] {
      #expect(
        try source.matrix(module.tensor, rows: module.rows, columns: module.columns)
          == store.stored(module, at: level))
    }
    let (low, high) = (try store.stored(up, at: 2), try store.stored(up, at: 4))
    #expect(low != high, "the levels could not be told apart")
    let norm = "model.layers.0.input_layernorm.weight"
    let width = store.store.configuration.hiddenSize
    #expect(
      try source.vector(norm, count: width)
        == store.model.checkpoint.vector(norm, count: width))
    #expect(store.store.levels == [2, 4])
  }

  @Test("neurons take their rows of gate and up and their column of down from their level")
  func neurons() throws {
    let store = try Store()
    let (gate, down) = (store.modules(.gate)[0], store.modules(.down)[0])
    let chosen = [1, 4, gate.rows - 1]
    let parts: [LevelStore.Part] = [
      .init(level: 4, neurons: chosen),
      .init(level: 2, neurons: (0..<gate.rows).filter { !chosen.contains($0) }),
    ]
    let source = store.store.assembled([gate.tensor: parts, down.tensor: parts])
    let rows = try source.matrix(gate.tensor, rows: gate.rows, columns: gate.columns)
    let columns = try source.matrix(down.tensor, rows: down.rows, columns: down.columns)
    for neuron in 0..<gate.rows {
      let level = chosen.contains(neuron) ? 4.0 : 2.0
      let (gateLevel, downLevel) = (
        try store.stored(gate, at: level), try store.stored(down, at: level)
      )
      for column in 0..<gate.columns {
        #expect(rows[neuron, column] == gateLevel[neuron, column])
      }
      for row in 0..<down.rows { #expect(columns[row, neuron] == downLevel[row, neuron]) }
    }
  }
}
