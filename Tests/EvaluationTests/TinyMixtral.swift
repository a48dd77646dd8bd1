import Checkpoints
import Foundation
import MoEModels
import Testing

/// A folder with the tiny random model of MoEModelsTests and a tokenizer whose common ids it knows.
final class TinyMixtral {
  static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "MoEModelsTests/Fixtures/tiny-mixtral")

  /// Everything the test writes; removed with this object.
  let folder: URL
  let checkpoint: Checkpoint
  let tokenizer: Tokenizer
  /// Three sequences of forty tokens.
  let sequences: [[Int32]]
  /// Reference logits of these, `[3 · 40, vocabulary]`.
  let logits: [Float]

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    checkpoint = try Checkpoint(Self.fixture)
    tokenizer = try Self.makeTokenizer(folder.appending(path: "tokenizer.json"))
    let golden = try SafeTensorsFile(Self.fixture.appending(path: "golden.safetensors"))
    let tokens = try golden.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
    sequences = stride(from: 0, to: tokens.count, by: 40).map { Array(tokens[$0..<$0 + 40]) }
    logits = try golden.withBytes(of: "logits") { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Writes a text file into the folder.
  func write(_ name: String, _ text: String) throws -> URL {
    let url = folder.appending(path: name)
    try Data(text.utf8).write(to: url)
    return url
  }

  /// −ln p of `token` after position `position` of these logits, in double precision.
  func loss(_ logits: some RandomAccessCollection<Float>, position: Int, token: Int32) -> Double {
    let row = Array(logits.dropFirst(position * 160).prefix(160)).map { Double($0) }
    let largest = row.max() ?? 0
    return largest + log(row.reduce(0) { $0 + exp($1 - largest) }) - row[Int(token)]
  }

  /// f32 logits of one sequence, from the forward pass alone.
  func logits(of sequence: [Int32]) throws -> [Float] {
    let pass = try ForwardPass([sequence], source: checkpoint, precision: .f32)
    try pass.runLayers()
    var result: [Float] = []
    try pass.forEachLogits { _, rows, logits in
      result += UnsafeBufferPointer(start: logits, count: rows * 160)
    }
    return result
  }

  /// A byte-level tokenizer: ids 0…93 are "!" to "~", 94 a space, 95 a line feed, 96… the merges
  /// "ab", "abc" and " the"; the bytes of no ASCII text follow.
  private static func makeTokenizer(_ url: URL) throws -> Tokenizer {
    let printable = (0x21...0x7E).map { String(UnicodeScalar($0)) }
    let merged = ["ab", "abc", "th", "the", "Ġthe"]
    let merges = [["a", "b"], ["ab", "c"], ["t", "h"], ["th", "e"], ["Ġ", "the"]]
    // The stand-ins of bytes that are not printable are U+0100 to U+0143: Ċ and Ġ are among them.
    let others =
      Array(0xA1...0xAC) + Array(0xAE...0xFF)
      + (0x100...0x143).filter { $0 != 0x10A && $0 != 0x120 }
    let tokens =
      printable + ["Ġ", "Ċ"] + merged
      + others.map { String(UnicodeScalar(UInt32($0)) ?? "?") }
    let vocabulary = Dictionary(uniqueKeysWithValues: zip(tokens, 0...))
    let file: [String: Any] = [
      "version": "1.0", "added_tokens": [Any](),
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
      "decoder": ["type": "ByteLevel"],
      "model": ["type": "BPE", "vocab": vocabulary, "merges": merges],
    ]
    try JSONSerialization.data(withJSONObject: file).write(to: url)
    return try Tokenizer(url)
  }
}
