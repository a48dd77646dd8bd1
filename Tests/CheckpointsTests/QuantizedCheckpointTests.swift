import Checkpoints
import Foundation
import Statistics
import Tensors
import Testing

/// A packed matrix with every code, scale and zero point drawn from its whole range.
private func randomPacked(
  rows: Int, columns: Int, bits: Int, groupSize: Int, symmetric: Bool
) -> PackedMatrix {
  var random = SeededGenerator(seed: UInt64(bits))
  let groups = (columns + groupSize - 1) / groupSize
  func codes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(random.below(1 << bits)) } }
  return PackedMatrix(
    rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric,
    codes: (0..<rows).flatMap { _ in BitStream.packed(codes(columns), bits: bits) },
    scales: (0..<rows * groups).map { _ in Float16(random.below(1000) + 1).bitPattern },
    zeros: symmetric ? [] : codes(rows * groups))
}

/// A quantized folder with one weight, whose file can be damaged before it is written.
private struct QuantizedFolder {
  static let weight = "model.layers.0.self_attn.q_proj.weight"
  static let stem = "model.layers.0.self_attn.q_proj"

  let folder: TemporaryFolder
  var tensors: [TensorPayload]
  var metadata: [String: String]

  init(_ packed: PackedMatrix) throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      at: Fixture.url("safetensors/single/config.json"),
      to: folder.url.appendingPathComponent("config.json"))
    tensors = packed.payloads(weight: Self.weight)
    metadata = [Self.weight: packed.layoutEntry]
  }

  var path: String { folder.url.appendingPathComponent(QuantizedCheckpoint.fileName).path }

  func opened() throws -> QuantizedCheckpoint {
    try SafeTensorsWriter.write(tensors, metadata: metadata, to: URL(fileURLWithPath: path))
    return try QuantizedCheckpoint(folder.url)
  }
}

@Suite("Packed weights in a checkpoint")
struct QuantizedCheckpointTests {
  @Test(
    "what is packed is read back, whatever bits and shape", arguments: 2...8, [true, false])
  func roundTrip(bits: Int, symmetric: Bool) throws {
    for (rows, columns, groupSize) in [(1, 1, 1), (3, 5, 2), (7, 33, 32), (2, 64, 64), (5, 9, 100)]
    {
      let packed = randomPacked(
        rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric)
      let folder = try QuantizedFolder(packed)
      let checkpoint = try folder.opened()
      #expect(try checkpoint.packed(QuantizedFolder.weight) == packed)
      #expect(
        try checkpoint.matrix(QuantizedFolder.weight, rows: rows, columns: columns)
          == packed.dequantized())
      #expect(checkpoint.quantizedWeights == [QuantizedFolder.weight])
      // Codes and zeros are dense streams, scales have two bytes.
      let stored =
        packed.codes.count + 2 * packed.scales.count + (packed.zeros.count * bits + 7) / 8
      #expect(folder.tensors.reduce(0) { $0 + $1.bytes.count } == stored)
    }
  }

  @Test("a tensor that is not packed is read as it is")
  func plain() throws {
    var folder = try QuantizedFolder(
      randomPacked(rows: 2, columns: 3, bits: 4, groupSize: 3, symmetric: true))
    let bytes = [1, 2, 3].flatMap {
      withUnsafeBytes(of: Float($0).bitPattern.littleEndian, Array.init)
    }
    folder.tensors.append(
      TensorPayload(name: "model.norm.weight", dtype: .float32, shape: [3], bytes: bytes))
    let checkpoint = try folder.opened()
    #expect(try checkpoint.packed("model.norm.weight") == nil)
    #expect(try checkpoint.vector("model.norm.weight", count: 3) == [1, 2, 3])
  }

  @Test("a folder is quantized if it has the file")
  func isQuantized() throws {
    let folder = try QuantizedFolder(
      randomPacked(rows: 2, columns: 3, bits: 4, groupSize: 3, symmetric: true))
    #expect(!QuantizedCheckpoint.isQuantized(folder.folder.url))
    _ = try folder.opened()
    #expect(QuantizedCheckpoint.isQuantized(folder.folder.url))
  }

  private let packed = randomPacked(rows: 4, columns: 6, bits: 3, groupSize: 4, symmetric: false)

  @Test(
    "metadata that names no layout is refused with file, weight and entry",
    arguments: [
      "", "3/4", "3/4/6/1", "3//4/6x", "a/4/6", "0/4/6", "9/4/6", "3/0/6", "3/4/0", "3/-4/6",
      "3/4/99999999", "3/9223372036854775807/6",
    ])
  func badLayout(entry: String) throws {
    var folder = try QuantizedFolder(packed)
    folder.metadata[QuantizedFolder.weight] = entry
    let checkpoint = try folder.opened()
    let error = PackedWeightError.badLayout(
      path: folder.path, weight: QuantizedFolder.weight, found: entry)
    #expect(throws: error) { try checkpoint.packed(QuantizedFolder.weight) }
    #expect("\(error)".contains(folder.path) && "\(error)".contains(QuantizedFolder.weight))
  }

  @Test("missing codes or scales are named", arguments: ["codes", "scales"])
  func missing(part: String) throws {
    var folder = try QuantizedFolder(packed)
    folder.tensors.removeAll { $0.name.hasSuffix(part) }
    let checkpoint = try folder.opened()
    let text = errorText { _ = try checkpoint.packed(QuantizedFolder.weight) }
    #expect(text.hasPrefix("\(folder.path): '\(QuantizedFolder.weight)' lacks its"), "\(text)")
    #expect(text.contains(part))
  }

  @Test(
    "a layout that does not fit the stored bytes is refused with both sizes",
    arguments: [
      // 4 rows of ⌈6 · 5 / 8⌉ bytes; 2 scales a row; ⌈8 · 3 / 8⌉ bytes of zeros.
      ("5/4/6", "codes", 16, 12), ("3/2/6", "scales", 24, 16), ("3/6/6", "scales", 8, 16),
      ("3/4/60", "scales", 120, 16),
    ])
  func wrongSize(entry: String, part: String, expected: Int, found: Int) throws {
    var folder = try QuantizedFolder(packed)
    folder.metadata[QuantizedFolder.weight] = entry
    let checkpoint = try folder.opened()
    #expect(
      throws: PackedWeightError.wrongSize(
        path: folder.path, part: "\(QuantizedFolder.stem).\(part)", expected: expected, found: found
      )
    ) { try checkpoint.packed(QuantizedFolder.weight) }
  }

  @Test("rows without bytes are refused, however many the header claims")
  func emptyRowsAreRefused() throws {
    var folder = try QuantizedFolder(
      randomPacked(rows: 2, columns: 4, bits: 4, groupSize: 2, symmetric: true))
    for index in folder.tensors.indices where folder.tensors[index].name.hasSuffix("codes") {
      folder.tensors[index].shape = [1 << 62, 0]
      folder.tensors[index].bytes = []
    }
    let checkpoint = try folder.opened()
    let text = errorText { _ = try checkpoint.packed(QuantizedFolder.weight) }
    #expect(text.contains(folder.path) && text.contains("holds 0 bytes, expected 2"), "\(text)")
  }

  @Test("a scale that is NaN or infinite is named", arguments: [Float16.nan, .infinity])
  func scalesAreFinite(value: Float16) throws {
    var folder = try QuantizedFolder(
      randomPacked(rows: 2, columns: 4, bits: 4, groupSize: 2, symmetric: true))
    for index in folder.tensors.indices where folder.tensors[index].name.hasSuffix("scales") {
      let bits = value.bitPattern
      folder.tensors[index].bytes.replaceSubrange(
        2..<4, with: [UInt8(bits & 0xFF), UInt8(bits >> 8)])
    }
    let checkpoint = try folder.opened()
    let text = errorText { _ = try checkpoint.packed(QuantizedFolder.weight) }
    #expect(text.contains("scales' holds \(Float(value)) at element 1"), "\(text)")
  }

  @Test("zeros of another length are refused")
  func wrongZeros() throws {
    var folder = try QuantizedFolder(packed)
    let index = try #require(folder.tensors.firstIndex { $0.name.hasSuffix("zeros") })
    folder.tensors[index].bytes += [0]
    folder.tensors[index].shape = [4]
    let checkpoint = try folder.opened()
    #expect(
      throws: PackedWeightError.wrongSize(
        path: folder.path, part: "\(QuantizedFolder.stem).zeros", expected: 3, found: 4)
    ) { try checkpoint.packed(QuantizedFolder.weight) }
  }

  @Test("a shape that config.json does not ask for is refused with both")
  func wrongShape() throws {
    let folder = try QuantizedFolder(packed)
    let checkpoint = try folder.opened()
    #expect(
      throws: PackedWeightError.wrongShape(
        path: folder.path, weight: QuantizedFolder.weight, expected: [6, 4], found: [4, 6])
    ) { try checkpoint.matrix(QuantizedFolder.weight, rows: 6, columns: 4) }
  }

  @Test("a cut-off file is refused by name")
  func truncated() throws {
    let folder = try QuantizedFolder(packed)
    _ = try folder.opened()
    let url = URL(fileURLWithPath: folder.path)
    let whole = try Data(contentsOf: url)
    for count in [0, 7, whole.count / 2, whole.count - 1] {
      try whole.prefix(count).write(to: url)
      let text = errorText { _ = try QuantizedCheckpoint(folder.folder.url) }
      #expect(text.contains(folder.path), "\(count) bytes: \(text)")
    }
  }
}
