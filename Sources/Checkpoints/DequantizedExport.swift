public import Foundation
import JSON
import Tensors

/// A quantized folder written as a plain checkpoint in Hugging Face layout, which `transformers` and
/// every other loader read as they read the original.
///
/// Quantized weights are dequantized, neurons of mixed experts back in their places, and rounded to the
/// type asked for, ties to even; everything else is copied as it is stored.
public struct DequantizedExport {
  private static let companions = [
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "chat_template.jinja",
  ]

  /// Element type of the dequantized weights.
  public enum Precision: String, Sendable, CaseIterable {
    case bf16, f32

    var type: ElementType { self == .bf16 ? .bfloat16 : .float32 }
  }

  private let checkpoint: QuantizedCheckpoint
  private let precision: Precision
  private let shardBytes: Int

  /// - Parameters:
  ///   - checkpoint: What is exported.
  ///   - precision: Of what was quantized.
  ///   - shardBytes: Bytes of weights in a file at most, unless one tensor alone has more.
  public init(_ checkpoint: QuantizedCheckpoint, precision: Precision, shardBytes: Int) {
    precondition(shardBytes > 0, "shards of \(shardBytes) bytes")
    (self.checkpoint, self.precision, self.shardBytes) = (checkpoint, precision, shardBytes)
  }

  /// Writes the folder, one tensor in memory at a time.
  ///
  /// - Parameters:
  ///   - directory: Exists; gets the files.
  ///   - progress: Tensors done of all.
  /// - Throws: ``CheckpointError``, ``PackedWeightError``; the folder is then incomplete.
  public func write(
    to directory: URL, progress: (_ tensor: Int, _ tensors: Int) -> Void = { _, _ in }
  ) throws {
    let shards = try self.shards()
    let count = shards.reduce(0) { $0 + $1.count }
    var (done, fileOfTensor): (Int, [(String, String)]) = (0, [])
    for (index, tensors) in shards.enumerated() {
      let name = Self.fileName(index, of: shards.count)
      try SafeTensorsWriter.write(
        tensors, metadata: ["format": "pt"], to: directory.appending(path: name)
      ) { info in
        defer {
          done += 1
          progress(done, count)
        }
        return try bytes(of: info)
      }
      fileOfTensor += tensors.map { ($0.name, name) }
    }
    if shards.count > 1 {
      try writeIndex(
        fileOfTensor, bytes: shards.joined().reduce(0) { $0 + $1.byteCount }, directory)
    }
    for name in Self.companions {
      let file = checkpoint.directory.appending(path: name)
      guard FileManager.default.fileExists(atPath: file.path) else { continue }
      try FileManager.default.copyItem(at: file, to: directory.appending(path: name))
    }
  }

  private static func fileName(_ index: Int, of count: Int) -> String {
    guard count > 1 else { return "model.safetensors" }
    func padded(_ number: Int) -> String {
      let digits = "\(number)"
      return String(repeating: "0", count: max(5 - digits.count, 0)) + digits
    }
    return "model-\(padded(index + 1))-of-\(padded(count)).safetensors"
  }

  private func writeIndex(_ fileOfTensor: [(String, String)], bytes: Int, _ directory: URL) throws {
    let map = JSONObject(
      fileOfTensor.sorted { $0.0 < $1.0 }.map { ($0, JSONValue.string($1)) })
    let index: JSONValue = [
      "metadata": ["total_size": JSONValue(bytes)], "weight_map": .object(map),
    ]
    try PrettyJSON.data(index)
      .write(to: directory.appending(path: "model.safetensors.index.json"))
  }

  /// All tensors of the model by name, cut where a file would become too large.
  private func shards() throws -> [[TensorInfo]] {
    let quantized = checkpoint.quantizedWeights
    var parts: Set<String> = []
    var tensors: [TensorInfo] = []
    for name in quantized {
      parts.formUnion(try checkpoint.storedBits(of: name).tensors)
      guard let stored = try checkpoint.stored(name) else { continue }
      tensors.append(try info(name, precision.type, [stored.rows, stored.columns]))
      checkpoint.releasePages(of: name)
    }
    for name in checkpoint.tensorNames where !parts.contains(name) {
      guard let plain = checkpoint.info(name) else { continue }
      tensors.append(plain)
    }
    var (shards, size): ([[TensorInfo]], Int) = ([[]], 0)
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      if size > 0, size + tensor.byteCount > shardBytes {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(tensor)
      size += tensor.byteCount
    }
    return shards
  }

  private func info(
    _ name: String, _ type: ElementType, _ shape: [Int]
  ) throws(CheckpointError) -> TensorInfo {
    guard let info = TensorInfo(name: name, dtype: type, shape: shape) else {
      throw .invalidShape(file: checkpoint.directory.path, tensor: name, shape: shape)
    }
    return info
  }

  private func bytes(of info: TensorInfo) throws -> [UInt8] {
    defer { checkpoint.releasePages(of: info.name) }
    guard let stored = try checkpoint.stored(info.name) else {
      return try checkpoint.file.withBytes(of: info.name) { Array($0) }
    }
    let values = stored.dequantized().storage
    return switch precision {
    case .bf16: HalfPrecision.bfloat16(values).littleEndianBytes
    case .f32: values.map(\.bitPattern).littleEndianBytes
    }
  }
}
