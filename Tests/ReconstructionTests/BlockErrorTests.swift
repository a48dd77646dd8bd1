import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Reconstruction

@Suite("Axes judged at outputs of blocks")
struct BlockErrorTests {
  private static let grid = GridFamily(groupSize: 16, symmetric: false)

  /// One sequence of 120 tokens: the golden's, one after the other.
  private func sample(_ model: TinyMixtral) throws -> CalibrationSample {
    try CalibrationSample(text: ("golden", model.tokens), count: 1, context: 120, seed: 0)
  }

  private func pass(_ model: TinyMixtral) throws -> ForwardPass {
    try ForwardPass([model.tokens], source: model.checkpoint, precision: .f32)
  }

  private func rounded(_ module: LinearModule, _ model: TinyMixtral) throws -> Matrix {
    let weights = try model.checkpoint.matrix(
      module.tensor, rows: module.rows, columns: module.columns)
    return try RoundToNearest.quantize(weights, grid: Self.grid.grid(bits: 2)).dequantized()
  }

  @Test("an expert's error is what the layer's output loses, attention's what its output loses")
  func errors() throws {
    let model = try TinyMixtral()
    let judged = try BlockErrors(
      0, of: pass(model), lengths: [model.tokens.count], checkpoint: model.checkpoint)
    let modules = model.checkpoint.configuration.linearModules(layer: 0)
    let exact = try pass(model)
    let heads = AttentionHeads()
    try exact.runLayer(0, tap: heads)
    let output = try #require(modules.first { $0.projection == .output })
    let outputWeights = try model.checkpoint.matrix(
      output.tensor, rows: output.rows, columns: output.columns)
    for module in modules {
      let weights = try rounded(module, model)
      let replaced = ReplacedWeights(model.checkpoint, replaced: [module.tensor: weights])
      let (other, otherHeads) = (try pass(model), AttentionHeads())
      try other.runLayer(0, weights: replaced, tap: otherHeads)
      let error = try judged.error(of: module, with: weights)
      let expected =
        if module.block != nil {
          // Nothing but this expert's share of the output differs.
          exact.states.minus(other.states).squaredNorm
        } else {
          heads.values.multiplied(byTransposed: outputWeights).minus(
            otherHeads.values.multiplied(
              byTransposed: module.projection == .output ? weights : outputWeights)
          ).squaredNorm
        }
      #expect(error > 0)
      // Differences of numbers of size 1 in 32 bits, other kernels.
      #expect(abs(error - expected) <= 1e-3 * expected, "\(module.tensor): \(error), \(expected)")
    }
  }

  @Test("each matrix gets the axis that loses less there, and the report tells both losses")
  func decisions() throws {
    let model = try TinyMixtral()
    let method = QuantizationMethod(
      solver: .roundToNearest, grids: Self.grid, axis: .adaDim)
    let folder = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: method, calibration: nil, axisSample: try sample(model)
    ) { _ in .bits(2) }.write(to: folder)
    #expect(reports.allSatisfy { $0.axis != nil })
    #expect(Set(reports.compactMap { $0.axis?.axis }).count == 2, "no choice")
    let quantized = try QuantizedCheckpoint(folder)
    let window = try sample(model).sequences
    let pass = try ForwardPass(window, source: model.checkpoint, precision: .f32)
    let judged = try BlockErrors(
      0, of: pass, lengths: window.map(\.count), checkpoint: model.checkpoint)
    for module in model.checkpoint.configuration.linearModules(layer: 0) {
      let report = try #require(reports.first { $0.module == module.tensor })
      let stored = try quantized.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      #expect(try judged.error(of: module, with: stored) == report.axis?.error)
    }
  }

  @Test("without tokens it is refused")
  func refused() throws {
    let model = try TinyMixtral()
    let method = QuantizationMethod(
      solver: .roundToNearest, grids: Self.grid, axis: .adaDim)
    let folder = try model.subfolder("refused")
    let error = #expect(throws: MethodError.self) {
      _ = try ModelQuantizer(model.checkpoint, method: method, calibration: nil) { _ in
        .bits(2)
      }.write(to: folder)
    }
    #expect(error == .axisWithoutSample)
  }
}

/// What o reads.
private final class AttentionHeads: LayerTap {
  private(set) var values = Matrix(rows: 0, columns: 0)

  var wantsAllTokens: Bool { false }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {
    guard site == .attentionOutput else { return }
    values = Matrix(
      rows: rows, columns: columns,
      storage: Array(UnsafeBufferPointer(start: x, count: rows * columns)))
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}
}
