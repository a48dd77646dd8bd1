import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

/// Tiny random models of every family, made with `transformers` by `Fixtures/families/make_golden.py`.
@Suite struct FamilyGoldenTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures/families")
  static let names = [
    "olmoe", "qwen2-moe", "qwen3-moe", "qwen3-moe-fused", "mixtral-fused", "deepseek-v2",
    "deepseek-v2-groups", "llama", "llama-dynamic", "qwen2",
  ]

  @Test("f32 logits agree with transformers within 1e-4 of the largest logit", arguments: names)
  func logits(name: String) throws {
    let golden = try GoldenLogits(Self.folder.appending(path: name))
    let ours = try golden.ours(precision: .f32)
    let largest = golden.logits.map(abs).max() ?? 0
    let difference = zip(ours, golden.logits).map { abs($0 - $1) }.max() ?? .infinity
    #expect(ours.count == golden.logits.count)
    // Two implementations sum in different orders; 1e-4 is the project's bound for f32.
    #expect(difference <= 1e-4 * largest, "difference \(difference), largest logit \(largest)")
  }

  @Test("bf16 logits stay near f32", arguments: names)
  func bf16(name: String) throws {
    let golden = try GoldenLogits(Self.folder.appending(path: name))
    let ours = try golden.ours(precision: .bf16)
    let meanSquare = { (x: [Float]) in x.reduce(0) { $0 + Double($1 * $1) } / Double(x.count) }
    let error = meanSquare(zip(ours, golden.logits).map { $0 - $1 })
    // As for Mixtral: 8 bits of mantissa, and now and then another expert.
    #expect(error <= 0.03 * meanSquare(golden.logits), "error \(error)")
  }

  @Test("every stored tensor is accounted for", arguments: names)
  func inventory(name: String) throws {
    let folder = Self.folder.appending(path: name)
    let inventory = try ModelInventory(folder)
    #expect(inventory.unaccounted == [])
    #expect(inventory.missing == [])
    let total = try #require(inventory.parts.last)
    #expect(total.parameters == (try Checkpoint(folder).parameterCount))
  }

  @Test("modules and inputs fit each other", arguments: names)
  func modules(name: String) throws {
    let configuration = try Checkpoint(Self.folder.appending(path: name)).configuration
    for layer in 0..<configuration.layerCount {
      let modules = configuration.linearModules(layer: layer)
      let widths = Dictionary(
        uniqueKeysWithValues: configuration.inputSites(layer: layer).map { ($0.site, $0.width) })
      for module in modules { #expect(widths[module.input] == module.columns) }
      #expect(Set(modules.map(\.tensor)).count == modules.count)
    }
  }

  @Test("a tensor that the family does not have is refused by name")
  func unaccounted() throws {
    let folder = Self.folder.appending(path: "qwen2")
    let copy = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: copy) }
    try FileManager.default.copyItem(
      at: folder.appending(path: "model.safetensors"),
      to: copy.appending(path: "model.safetensors"))
    // As a Llama without biases, the biases of q, k and v would be skipped.
    let text = try String(contentsOf: folder.appending(path: "config.json"), encoding: .utf8)
    try text.replacing("\"qwen2\"", with: "\"llama\"").write(
      to: copy.appending(path: "config.json"), atomically: true, encoding: .utf8)
    let error = #expect(throws: ModelFolderError.self) { try ModelFolder(copy) }
    #expect(error?.description.contains("model.layers.0.self_attn.k_proj.bias and 5 more") == true)
    #expect(try ModelInventory(copy).unaccounted.count == 6)
  }
}

/// A model folder with tokens and the logits that the reference computed.
struct GoldenLogits {
  let checkpoint: Checkpoint
  let sequences: [[Int32]]
  /// `[sequences · length, vocabulary]`.
  let logits: [Float]

  init(_ folder: URL) throws {
    checkpoint = try Checkpoint(folder)
    let golden = try SafeTensorsFile(folder.appending(path: "golden.safetensors"))
    let length = golden.tensors["tokens"]?.shape.last ?? 0
    let tokens = try golden.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
    sequences = stride(from: 0, to: tokens.count, by: length).map {
      Array(tokens[$0..<$0 + length])
    }
    logits = try golden.withBytes(of: "logits") { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  /// Our logits, of other sequences if they are given.
  func ours(
    _ others: [[Int32]]? = nil, precision: Precision, batchTokens: Int = 4096
  ) throws -> [Float] {
    let pass = try ForwardPass(
      others ?? sequences, source: checkpoint, precision: precision, batchTokens: batchTokens)
    try pass.runLayers()
    var result: [Float] = []
    try pass.forEachLogits { _, rows, logits in
      result += UnsafeBufferPointer(
        start: logits, count: rows * checkpoint.configuration.vocabularySize)
    }
    return result
  }
}
