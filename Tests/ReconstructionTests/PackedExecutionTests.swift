import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Tensors
import Testing

@Suite("Models that run from packed weights")
struct PackedExecutionTests {
  private static let grids = GridFamily(groupSize: 16, symmetric: false)
  private static let outliers = OutlierRule(range: .fraction(0.02))

  static let methods: [QuantizationMethod] = [
    QuantizationMethod(solver: .roundToNearest, grids: grids),
    QuantizationMethod(
      solver: .roundToNearest, grids: GridFamily(groupSize: 16, symmetric: true)),
    QuantizationMethod(solver: .roundToNearest, grids: grids, outliers: outliers),
    QuantizationMethod(
      solver: .gptq(GPTQOptions(columns: .activation), minimumTokens: 1), grids: grids,
      outliers: outliers),
  ]

  /// Every second expert in slices of 4 and 2 bits, layers of all other widths from 1 on.
  private func level(_ module: LinearModule, neurons: Int, bits: Int) -> ModuleLevel {
    guard let expert = module.expert, expert.isMultiple(of: 2) else { return .bits(bits) }
    return .slices(
      NeuronSplit([
        NeuronSplit.Slice(bits: 4, neurons: 8), NeuronSplit.Slice(bits: 2, neurons: neurons - 8),
      ]))
  }

  private func quantized(
    _ model: TinyMixtral, _ method: QuantizationMethod, bits: Int
  ) throws -> QuantizedCheckpoint {
    let configuration = model.checkpoint.configuration
    let neurons = configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let (target, calibration) = (try model.subfolder("quantized"), try model.calibrate())
    _ = try ModelQuantizer(model.checkpoint, method: method, calibration: calibration) {
      level($0, neurons: neurons, bits: bits)
    }.write(to: target)
    return try QuantizedCheckpoint(target)
  }

  @Test(
    "logits are those of the dequantized weights, within 1e-4 of the largest",
    arguments: methods, [2, 3, 4, 8])
  func logits(method: QuantizationMethod, bits: Int) throws {
    let model = try TinyMixtral()
    let checkpoint = try quantized(model, method, bits: bits)
    let expected = try model.logits(of: checkpoint)
    let packed = PackedExecution(checkpoint)
    let found = try model.logits(of: packed)
    let largest = expected.map(abs).max() ?? 0
    let difference = zip(expected, found).map { abs($0 - $1) }.max() ?? .infinity
    #expect(found.count == expected.count && largest > 0)
    #expect(difference <= 1e-4 * largest, "\(difference) of \(largest)")
    // Sums in another order: products do come from somewhere else.
    #expect(found != expected)
  }

  @Test("a decoder's steps are those of the pass, and read fewer bytes than dense ones")
  func steps() throws {
    let model = try TinyMixtral()
    let checkpoint = try quantized(model, Self.methods[2], bits: 3)
    let expected = try model.logits(of: checkpoint)
    let vocabulary = checkpoint.configuration.vocabularySize
    let decoder = try Decoder(source: PackedExecution(checkpoint), precision: .f32)
    let sequence = decoder.sequence()
    var found: [Float] = []
    for token in model.tokens.prefix(40) {
      try decoder.extend([sequence], by: [[token]]) { _, logits in
        found += UnsafeBufferPointer(start: logits, count: vocabulary)
      }
    }
    let largest = expected.map(abs).max() ?? 0
    let difference = zip(expected, found).map { abs($0 - $1) }.max() ?? .infinity
    #expect(found.count == expected.count)
    #expect(difference <= 1e-4 * largest, "\(difference) of \(largest)")
    let dense = try Decoder(source: checkpoint, precision: .bf16)
    #expect(decoder.bytesPerToken < dense.bytesPerToken)
  }

  @Test(
    "activations of 8 bits change logits, those of most tokens by less than a tenth of their size",
    arguments: methods)
  func int8(method: QuantizationMethod) throws {
    let model = try TinyMixtral()
    let checkpoint = try quantized(model, method, bits: 4)
    let exact = try model.logits(of: PackedExecution(checkpoint))
    let rounded = try model.logits(of: PackedExecution(checkpoint, activations: .int8))
    #expect(try model.logits(of: PackedExecution(checkpoint, activations: .int8)) == rounded)
    let vocabulary = checkpoint.configuration.vocabularySize
    let changes = stride(from: 0, to: exact.count, by: vocabulary).map { first in
      let token = first..<first + vocabulary
      let change = token.reduce(0.0) { $0 + pow(Double(exact[$1] - rounded[$1]), 2) }
      return change / token.reduce(0.0) { $0 + pow(Double(exact[$1]), 2) }
    }.sorted()
    #expect(changes[0] > 0)
    // A step is 1/127 of the largest input; routers may send a token elsewhere.
    let median = changes[changes.count / 2]
    #expect(median <= 0.01, "\(median)")
  }

  @Test("a folder runs in the arithmetic that is named, if it is quantized")
  func modes() throws {
    let model = try TinyMixtral()
    let folder = try ModelFolder(model.checkpoint.directory)
    #expect(try folder.executed(as: .f32).weights.activations == .exact)
    #expect(throws: PackedExecutionError.fullPrecision(directory: folder.directory.path)) {
      try folder.executed(as: .int8Activations)
    }
    _ = try quantized(model, Self.methods[0], bits: 3)
    let packed = try ModelFolder(model.folder.appending(path: "quantized"))
    #expect(try packed.executed(as: .int8Activations).weights.activations == .int8)
    for mode in ComputeMode.allCases {
      #expect(ComputeMode(mode.precision, mode.activations) == mode)
    }
  }

  @Test("codebooks and full precision are refused")
  func refusals() throws {
    let model = try TinyMixtral()
    let checkpoint = try quantized(
      model, QuantizationMethod(solver: .codebooks(CodebookOptions()), grids: Self.grids), bits: 3)
    #expect(throws: PackedExecutionError.self) {
      try Decoder(source: PackedExecution(checkpoint), precision: .f32)
    }
    let folder = try ModelFolder(model.checkpoint.directory)
    #expect(throws: PackedExecutionError.fullPrecision(directory: folder.directory.path)) {
      try PackedExecution(folder)
    }
  }
}
