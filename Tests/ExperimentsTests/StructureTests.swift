import BitAllocation
import Checkpoints
import Evaluation
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Statistics
import Tensors
import Testing

@testable import Experiments

@Suite("Parts of a model quantized alone")
final class StructureTests {
  private static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "MoEModelsTests/Fixtures/tiny-mixtral")

  private let folder: URL
  private let checkpoint: Checkpoint
  private let reference: ReferencePredictions
  private var configuration: ModelConfiguration { checkpoint.configuration }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "structure-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    checkpoint = try Checkpoint(Self.fixture)
    let golden = try SafeTensorsFile(Self.fixture.appending(path: "golden.safetensors"))
    let tokens = try golden.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
    reference = try ReferencePredictions(
      of: stride(from: 0, to: tokens.count, by: 40).map { Array(tokens[$0..<$0 + 40]) },
      source: checkpoint, precision: .f32)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The model rounded to nearest: modules that `bits` gives a level; others at 8 bits.
  private func quantized(_ bits: Int) throws -> QuantizedCheckpoint {
    let target = folder.appending(path: "level-\(bits)")
    if !FileManager.default.fileExists(atPath: target.path) {
      try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
      let method = QuantizationMethod(
        solver: .roundToNearest, grids: GridFamily(groupSize: 16, symmetric: false))
      _ = try ModelQuantizer(
        checkpoint, method: method, calibration: nil, stream: nil, level: { _ in .bits(bits) }
      ).write(to: target) { _, _ in }
    }
    return try QuantizedCheckpoint(target)
  }

  private var ranks: [String: [Int]] {
    let modules = (0..<configuration.layerCount).flatMap { configuration.linearModules(layer: $0) }
    return modules.filter { $0.projection == .gate }.reduce(into: [:]) {
      $0[$1.unit ?? ""] = Array((0..<$1.rows).reversed())
    }
  }

  private func units(_ kinds: Set<StructureUnit.Kind>) -> [StructureUnit] {
    StructureUnit.all(of: configuration, kinds: kinds, ranks: ranks)
  }

  private func measure(
    _ units: [StructureUnit], bits: [Int], recovery: URL? = nil
  ) throws -> StructureMeasurement.Divergences {
    try StructureMeasurement(
      full: checkpoint, levels: bits.map { ($0, try quantized($0)) }, units: units,
      reference: reference
    ).run(recovery: recovery) { _, _ in }.divergences
  }

  /// KL of each window with some tensors quantized, straight from a forward pass.
  private func direct(_ tensors: Set<String>, bits: Int) throws -> [Double] {
    let source = PartlyQuantizedModel(
      checkpoint, quantized: try quantized(bits),
      parts: Dictionary(uniqueKeysWithValues: tensors.map { ($0, .whole) }))
    let pass = try ForwardPass(reference.sequences, source: source, precision: .f32)
    try pass.runLayers()
    let tokens = try reference.divergences(of: pass)
    return stride(from: 0, to: tokens.count, by: 40).map {
      tokens[$0..<$0 + 40].reduce(0, +) / 40
    }
  }

  @Test("every kind covers each weight of the experts once, and deciles each neuron")
  func cover() {
    let all = units(Set(StructureUnit.Kind.allCases))
    let weights = all.filter { $0.kind == .model }.map(\.weights)
    for kind in [StructureUnit.Kind.layer, .projection, .expert, .matrix, .decile] {
      let sum = all.filter { $0.kind == kind }.reduce(0) { $0 + $1.weights }
      #expect(sum == weights[0], "\(kind)")
    }
    #expect(Set(all.map(\.id)).count == all.count)
    let deciles = all.filter { $0.kind == .decile && $0.layer == 0 }
    let gate = deciles.map { $0.parts[0].neurons ?? [] }
    #expect(gate.joined().sorted() == Array(0..<deciles[0].parts[0].module.rows))
    // The last neuron ranks first here.
    #expect(gate[0].contains(deciles[0].parts[0].module.rows - 1))
  }

  @Test("the divergence of a part is that of a model with this part quantized")
  func divergences() throws {
    let units = units([.layer, .matrix, .attention])
    let measured = try measure(units, bits: [2, 3])
    for id in [
      "experts", "layers.0.experts", "layers.1.experts.0.down", "layers.0.attention.v",
    ] {
      let place = try #require(units.firstIndex { $0.id == id })
      let tensors = Set(units[place].parts.map(\.module.tensor))
      for (level, bits) in [2, 3].enumerated() {
        let expected = try direct(tensors, bits: bits)
        for (a, b) in zip(measured[place][level], expected) {
          // The same arithmetic in another order of passes.
          #expect(abs(a - b) <= 1e-9 + 1e-6 * b, "\(id) at \(bits)")
        }
        #expect(measured[place][level].count == 3)
      }
    }
  }

  @Test("what a layer gave is kept, and taken again after a crash")
  func recovery() throws {
    let (units, kept) = (units([.expert]), folder.appending(path: "recovery"))
    let first = try measure(units, bits: [2], recovery: kept)
    // Without the level nothing could be measured anew.
    let empty = try quantized(8)
    let again = try StructureMeasurement(
      full: checkpoint, levels: [(2, empty)], units: units, reference: reference
    ).run(recovery: kept) { _, _ in }.divergences
    #expect(again == first)
    let other = try StructureMeasurement(
      full: checkpoint, levels: [(2, empty)], units: units, reference: reference
    ).run(recovery: nil) { _, _ in }.divergences
    #expect(other != first)
  }
}
