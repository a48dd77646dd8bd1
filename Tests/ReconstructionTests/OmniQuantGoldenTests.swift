import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors
import Testing

@testable import Reconstruction

/// Learning step by step against PyTorch in double precision (`Golden/omniquant/make_golden.py`).
@Suite("OmniQuant against PyTorch")
struct OmniQuantGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let options: OmniQuantOptions
    let scaleRounding: ScaleRounding

    var testDescription: String { name }

    init(_ name: String, epochs: Int, scales: ScaleRounding = .exact) {
      self.name = name
      scaleRounding = scales
      options = OmniQuantOptions(
        epochs: epochs, clippingRate: 5e-2, scalingRate: 5e-3, batch: 1,
        augmented: name == "augmented", equivalent: name == "equivalent")
    }
  }

  static let cases = [
    Case("clipping", epochs: 4), Case("augmented", epochs: 3, scales: .float16),
    Case("equivalent", epochs: 4),
  ]

  @Test(
    "losses of all steps, what is learned, and the codes are PyTorch's, layer behind layer",
    arguments: cases)
  func agrees(_ test: Case) throws {
    let golden = try OmniQuantGolden(test.name)
    let grids = GridFamily(
      groupSize: 8, symmetric: false, scaleRounding: test.scaleRounding)
    let streams = try Streams(golden)
    for index in 0..<2 {
      let maxima = test.options.equivalent ? InputMaxima() : nil
      if let maxima { try streams.full.observeLayer(index, tap: maxima) }
      var layer = try OmniQuantLayer(
        index, checkpoint: golden.checkpoint, options: test.options, maxima: maxima
      ) { .whole(try grids.grid(bits: $0.unit == nil ? 4 : 2)) }
      let sequences = try streams.sequences(index, augmented: test.options.augmented)
      let report = try layer.train(on: sequences) { _ in }
      #expect(try report.kept == nil && #require(report.endLoss) < #require(report.startLoss))
      // The parameters moved by up to 0.8; single precision leaves them 1e-4 of that apart.
      let tolerance = 1e-4
      let losses = try golden.numbers("losses.\(index)")
      #expect(layer.losses.count == losses.count)
      for (step, (ours, theirs)) in zip(layer.losses, losses).enumerated() {
        #expect(abs(ours - theirs) <= tolerance * theirs, "loss of step \(step)")
      }
      for module in layer.modules {
        let tensor = module.module.tensor
        let clipping = module.clippings[0]
        #expect(
          try golden.distance(clipping.upper, "upper/\(tensor)") <= tolerance, "γ of \(tensor)")
        #expect(
          try golden.distance(clipping.lower, "lower/\(tensor)") <= tolerance, "β of \(tensor)")
        guard case .packed(let packed) = try module.stored(layer.moduleScales(module)) else {
          Issue.record("\(tensor) is not packed")
          continue
        }
        #expect(try (0..<packed.rows).flatMap(packed.codes(ofRow:)) == golden.codes(of: tensor))
      }
      if let scales = layer.scales {
        #expect(try golden.distance(scales.inputs, "inputs.\(index)") <= tolerance)
        for (expert, neurons) in scales.neurons.enumerated() {
          #expect(try golden.distance(neurons, "neurons.\(index).\(expert)") <= tolerance)
        }
      }
      try streams.quantized.runLayer(index, weights: try layer.quantized(), tap: nil)
    }
  }

  /// What makes the case worth its name: an expert that some step does not reach keeps its moments.
  @Test("there are steps in which no token comes to an expert")
  func unreached() throws {
    let golden = try OmniQuantGolden("clipping")
    let streams = try Streams(golden)
    var layer = try OmniQuantLayer(
      0, checkpoint: golden.checkpoint, options: OmniQuantOptions(epochs: 1), maxima: nil
    ) { _ in .whole(try AffineGrid(bits: 4, groupSize: 8, symmetric: false)) }
    _ = try layer.train(on: streams.sequences(0, augmented: false)) { _ in }
    let steps = layer.modules.filter { $0.module.expert != nil }.map(\.steps)
    #expect(steps.contains { $0 > 0 && $0 < golden.sequences.count })
  }
}

/// Both streams of the golden's sequences.
private struct Streams {
  let full: ForwardPass
  let quantized: ForwardPass
  let lengths: [Int]

  init(_ golden: OmniQuantGolden) throws {
    lengths = golden.sequences.map(\.count)
    full = try ForwardPass(golden.sequences, source: golden.checkpoint, precision: .f32)
    quantized = try ForwardPass(golden.sequences, source: golden.checkpoint, precision: .f32)
  }

  /// Sends the full-precision stream through the layer.
  func sequences(_ index: Int, augmented: Bool) throws -> TrainingSequences {
    let (inputs, fork) = (quantized.states, ForwardPass(forking: quantized))
    try fork.runLayer(index, tap: nil)
    try full.runLayer(index, tap: nil)
    return TrainingSequences(
      lengths: lengths, inputs: inputs, targets: full.states,
      augmented: augmented ? fork.states : nil)
  }
}

/// The model, and what `make_golden.py` made of it.
struct OmniQuantGolden {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Golden/omniquant")

  let checkpoint: Checkpoint
  let sequences: [[Int32]]
  private let file: SafeTensorsFile

  init(_ name: String) throws {
    checkpoint = try Checkpoint(Self.folder)
    file = try SafeTensorsFile(Self.folder.appending(path: "\(name).safetensors"))
    var tokens = try file.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }[...]
    sequences = [2, 5, 1, 7, 3].map { length in
      defer { tokens = tokens.dropFirst(length) }
      return Array(tokens.prefix(length))
    }
  }

  func numbers(_ name: String) throws -> [Double] {
    try file.withBytes(of: name) { bytes in
      (0..<bytes.count / 4).map {
        Double(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self))
      }
    }
  }

  func codes(of tensor: String) throws -> [UInt8] {
    try file.withBytes(of: "codes/\(tensor)") { Array($0) }
  }

  /// Largest difference; infinite where the shapes differ.
  func distance(_ values: [Float], _ name: String) throws -> Double {
    let expected = try numbers(name)
    guard expected.count == values.count else { return .infinity }
    return zip(values, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
  }
}
