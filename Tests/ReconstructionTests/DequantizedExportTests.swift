import Checkpoints
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Tensors
import Testing

@Suite("Dequantized checkpoints")
struct DequantizedExportTests {
  /// Slices of even experts where the method has them.
  static func quantized(_ method: QuantizationMethod, _ model: TinyMixtral) throws -> URL {
    let neurons = model.checkpoint.configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let target = try model.subfolder("quantized")
    _ = try ModelQuantizer(
      model.checkpoint, method: method, calibration: try model.calibrate()
    ) { module in
      guard method.axis == .outputChannel, let expert = module.expert, expert.isMultiple(of: 2)
      else { return .bits(3) }
      return .slices(
        NeuronSplit([.init(bits: 4, neurons: 8), .init(bits: 2, neurons: neurons - 8)]))
    }.write(to: target)
    return target
  }

  private static func exported(
    _ folder: URL, _ precision: DequantizedExport.Precision, shardBytes: Int = 1 << 40,
    _ model: TinyMixtral, name: String = "exported"
  ) throws -> URL {
    let target = try model.subfolder(name)
    try DequantizedExport(
      QuantizedCheckpoint(folder), precision: precision, shardBytes: shardBytes
    ).write(to: target)
    return target
  }

  private func logits(
    _ folder: URL, _ model: TinyMixtral, _ precision: Precision
  ) throws -> [Float] {
    let source = try ModelFolder(folder).weights
    let pass = try ForwardPass(
      [Array(model.tokens.prefix(40))], source: source, precision: precision)
    try pass.runLayers()
    var result: [Float] = []
    try pass.forEachLogits { _, rows, logits in
      result += UnsafeBufferPointer(
        start: logits, count: rows * source.configuration.vocabularySize)
    }
    return result
  }

  @Test(
    "every weight is the dequantized one, rounded once; all else has its bytes",
    arguments: StoredFormQuantizerTests.methods)
  func weights(method: QuantizationMethod) throws {
    let model = try TinyMixtral()
    let folder = try Self.quantized(method, model)
    let exported = try Self.exported(folder, .bf16, model)
    let (quantized, plain) = (try QuantizedCheckpoint(folder), try Checkpoint(exported))
    #expect(plain.tensorNames == model.checkpoint.tensorNames)
    let weights = Set(quantized.quantizedWeights)
    for name in plain.tensorNames {
      let info = try plain.info(name)
      guard weights.contains(name) else {
        #expect(try info == model.checkpoint.info(name))
        #expect(
          try plain.withBytes(of: name) { Array($0) }
            == model.checkpoint.withBytes(of: name) { Array($0) }, "\(name)")
        continue
      }
      let matrix = try quantized.matrix(name, rows: info.shape[0], columns: info.shape[1])
      #expect(
        try plain.bfloat16(name, rows: matrix.rows, columns: matrix.columns)
          == HalfPrecision.bfloat16(matrix.storage), "\(name)")
    }
  }

  @Test(
    "logits are, to the last digit, those of the quantized folder in the arithmetic of the export",
    arguments: StoredFormQuantizerTests.methods)
  func logits(method: QuantizationMethod) throws {
    let model = try TinyMixtral()
    let folder = try Self.quantized(method, model)
    for (type, precision, name) in [
      (DequantizedExport.Precision.bf16, Precision.bf16, "bf16"), (.f32, .f32, "f32"),
    ] {
      let exported = try Self.exported(folder, type, model, name: name)
      let expected = try logits(folder, model, precision)
      #expect(try logits(exported, model, precision) == expected, "\(name)")
      #expect(!expected.contains { !$0.isFinite })
    }
  }

  @Test("shards hold what the single file holds, and none is larger than asked for")
  func shards() throws {
    let model = try TinyMixtral()
    let folder = try Self.quantized(StoredFormQuantizerTests.methods[4], model)
    let single = try Checkpoint(try Self.exported(folder, .bf16, model))
    let many = try Self.exported(folder, .bf16, shardBytes: 20_000, model, name: "shards")
    let sharded = try Checkpoint(many)
    #expect(sharded.tensorNames == single.tensorNames)
    let files = sharded.files.filter { $0.hasSuffix(".safetensors") }
    #expect(files.count > 3 && files[0].hasPrefix("model-00001-of-000"))
    for name in files {
      let tensors = try SafeTensorsFile(many.appending(path: name)).tensors.values
      #expect(tensors.count == 1 || tensors.reduce(0) { $0 + $1.byteCount } <= 20_000)
    }
    for name in single.tensorNames {
      #expect(
        try sharded.withBytes(of: name) { Array($0) } == single.withBytes(of: name) { Array($0) })
    }
  }
}

/// Runs only where the environment variable ASSAY_TRANSFORMERS names a Python with transformers.
@Suite(
  "Dequantized checkpoints load in Transformers",
  .enabled(
    if: ProcessInfo.processInfo.environment["ASSAY_TRANSFORMERS"] != nil,
    "set ASSAY_TRANSFORMERS to a Python that has transformers and torch"))
struct TransformersTests {
  @Test(
    "transformers loads the export unchanged and computes our logits",
    arguments: [0, 1, 4, 8])
  func agrees(index: Int) throws {
    let python = try #require(ProcessInfo.processInfo.environment["ASSAY_TRANSFORMERS"])
    let model = try TinyMixtral()
    let folder = try DequantizedExportTests.quantized(
      StoredFormQuantizerTests.methods[index], model)
    let exported = try model.subfolder("exported")
    try DequantizedExport(
      QuantizedCheckpoint(folder), precision: .bf16, shardBytes: 1 << 40
    ).write(to: exported)
    let tokens = model.folder.appending(path: "tokens.json")
    try JSONEncoder().encode(Array(model.tokens.prefix(40))).write(to: tokens)
    let output = model.folder.appending(path: "logits.f32")
    let text = try run(
      python, ["load_with_transformers.py", exported.path, tokens.path, output.path])
    #expect(text.contains("unchanged"), "\(text)")
    let theirs = try Data(contentsOf: output).withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    let ours = try model.logits(of: Checkpoint(exported))
    #expect(theirs.count == ours.count)
    let largest = theirs.map { abs($0) }.max() ?? 0
    // Sums of a few hundred products in 32 bits, in another order.
    #expect(zip(theirs, ours).allSatisfy { abs($0 - $1) <= 1e-4 * largest })
  }

  @Test("thirty lines of numpy read the packed folder", arguments: [1, 4, 5, 8])
  func reader(index: Int) throws {
    let python = try #require(ProcessInfo.processInfo.environment["ASSAY_TRANSFORMERS"])
    let model = try TinyMixtral()
    let folder = try DequantizedExportTests.quantized(
      StoredFormQuantizerTests.methods[index], model)
    let exported = try model.subfolder("exported")
    try DequantizedExport(
      QuantizedCheckpoint(folder), precision: .f32, shardBytes: 1 << 40
    ).write(to: exported)
    let text = try run(
      python,
      [
        "../../experiments/benchmarks/read_packed.py", folder.path,
        exported.appending(path: "model.safetensors").path,
      ])
    #expect(text.contains("largest difference 0.0"), "\(text)")
  }

  private func run(_ python: String, _ arguments: [String]) throws -> String {
    let here = URL(filePath: #filePath).deletingLastPathComponent()
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: python)
    process.arguments = [here.appending(path: arguments[0]).path] + arguments.dropFirst()
    (process.standardOutput, process.standardError) = (output, output)
    try process.run()
    let text = String(
      decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    return text
  }
}
