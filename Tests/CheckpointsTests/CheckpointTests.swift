import Checkpoints
import Foundation
import Tensors
import Testing

@Suite("A checkpoint folder gives the reference's weights, or an error that names the place")
struct CheckpointTests {
  private struct Goldens: Decodable {
    struct Tensor: Decodable {
      let dtype: String
      let shape: [Int]
      /// Bit patterns of the values widened to 32 bits.
      let bits: [Int32]
    }
    let tensors: [String: Tensor]
  }

  /// One F32 tensor `w` of shape `[2, 3]` with the given values, beside a valid configuration.
  private func folder(values: [Float]) throws -> (TemporaryFolder, Checkpoint) {
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/single")
    let bytes = values.flatMap { withUnsafeBytes(of: $0, Array.init) }
    try SafeTensorsWriter.write(
      [TensorPayload(name: "w", dtype: .float32, shape: [2, 3], bytes: bytes)], metadata: [:],
      to: copy.appendingPathComponent("model.safetensors"))
    return (folder, try Checkpoint(copy))
  }

  @Test(
    "F32, F16 and BF16 weights are widened bit for bit, from one file and from shards",
    arguments: ["single", "sharded"])
  func weightsEqualReference(layout: String) throws {
    let goldens = try Fixture.goldens("safetensors/goldens.json", as: Goldens.self)
    let checkpoint = try Checkpoint(Fixture.url("safetensors/\(layout)"))
    #expect(checkpoint.tensorNames == goldens.tensors.keys.sorted())
    #expect(checkpoint.parameterCount == 34)
    for (name, golden) in goldens.tensors {
      #expect(try checkpoint.info(name).dtype.rawValue == golden.dtype)
      let values =
        golden.shape.count == 1
        ? try checkpoint.vector(name, count: golden.shape[0])
        : try checkpoint.matrix(name, rows: golden.shape[0], columns: golden.shape[1]).storage
      #expect(values.map { Int32(bitPattern: $0.bitPattern) } == golden.bits, "\(name)")
      checkpoint.releasePages(of: name)
    }
  }

  @Test("raw bfloat16 patterns are the upper halves of the widened floats, nil for other types")
  func bfloat16IsRaw() throws {
    let checkpoint = try Checkpoint(Fixture.url("safetensors/single"))
    let patterns = try #require(try checkpoint.bfloat16("model.brain", rows: 2, columns: 3))
    let values = try checkpoint.matrix("model.brain", rows: 2, columns: 3).storage
    #expect(patterns.map { UInt32($0) << 16 } == values.map(\.bitPattern))
    #expect(try checkpoint.bfloat16("model.half", rows: 2, columns: 3) == nil)
  }

  @Test("weights at odd offsets are read as if they were aligned")
  func unalignedDataIsRead() throws {
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/single")
    let json =
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
      + #""b":{"dtype":"BF16","shape":[1,2],"data_offsets":[1,5]},"#
      + #""c":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}"#
    let length = withUnsafeBytes(of: UInt64(json.utf8.count), Array.init)
    let data: [UInt8] = [9, 0x80, 0x3F, 0x00, 0xC0, 0, 0, 0x20, 0x41]
    try Data(length + Array(json.utf8) + data).write(
      to: copy.appendingPathComponent("model.safetensors"))
    let checkpoint = try Checkpoint(copy)
    #expect(try checkpoint.matrix("b", rows: 1, columns: 2).storage == [1, -2])
    #expect(try checkpoint.bfloat16("b", rows: 1, columns: 2) == [0x3F80, 0xC000])
    #expect(try checkpoint.vector("c", count: 1) == [10])
  }

  @Test("the files that define a model are its configuration, its index and its shards")
  func filesAreListed() throws {
    #expect(
      try Checkpoint(Fixture.url("safetensors/single")).files
        == ["config.json", "model.safetensors"])
    #expect(
      try Checkpoint(Fixture.url("safetensors/sharded")).files == [
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
      ])
  }

  @Test(
    "a wrong shape names file, tensor, expected and found", arguments: [[5, 3], [15, 1], [3, 4]])
  func wrongShapeIsNamed(shape: [Int]) throws {
    let checkpoint = try Checkpoint(Fixture.url("safetensors/sharded"))
    let text = errorText {
      _ = try checkpoint.matrix("model.matrix", rows: shape[0], columns: shape[1])
    }
    #expect(text.contains("model-00001-of-00002.safetensors") && text.contains("model.matrix"))
    #expect(text.contains("expected shape \(shape), found [3, 5]"))
  }

  @Test("a missing tensor and one of an integer type are named")
  func unusableTensorsAreNamed() throws {
    let checkpoint = try Checkpoint(Fixture.url("safetensors/single"))
    let missing = errorText { _ = try checkpoint.vector("model.none", count: 1) }
    #expect(missing.contains("model.none") && missing.contains(checkpoint.directory.path))
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/single")
    try SafeTensorsWriter.write(
      [TensorPayload(name: "codes", dtype: .uint8, shape: [2], bytes: [1, 2])], metadata: [:],
      to: copy.appendingPathComponent("model.safetensors"))
    let integer = errorText { _ = try Checkpoint(copy).vector("codes", count: 2) }
    #expect(integer.contains("codes") && integer.contains("element type U8"), "\(integer)")
  }

  @Test(
    "the first NaN or infinity is named with tensor and index",
    arguments: [Float.nan, .infinity, -.infinity, .signalingNaN])
  func notFiniteIsNamed(value: Float) throws {
    let (folder, checkpoint) = try folder(values: [1, -0, .greatestFiniteMagnitude, 4, value, .nan])
    let text = errorText { _ = try checkpoint.matrix("w", rows: 2, columns: 3) }
    #expect(text.contains("Tensor w in \(folder.url.path)"), "\(text)")
    #expect(text.contains("holds \(value) at element 4"), "\(text)")
  }

  @Test("a BF16 infinity is found before its bit patterns are handed out")
  func bfloat16NotFiniteIsNamed() throws {
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/single")
    try SafeTensorsWriter.write(
      [TensorPayload(name: "w", dtype: .bfloat16, shape: [1, 2], bytes: [0, 0, 0x80, 0x7F])],
      metadata: [:], to: copy.appendingPathComponent("model.safetensors"))
    let text = errorText { _ = try Checkpoint(copy).bfloat16("w", rows: 1, columns: 2) }
    #expect(text.contains("Tensor w") && text.contains("inf at element 1"), "\(text)")
  }

  @Test(
    "finite values are not mistaken, in any position of any block", arguments: [0, 1, 4_095, 9_000])
  func finiteCheckFindsThePlace(place: Int) {
    var values = [Float](repeating: .greatestFiniteMagnitude, count: 9_001)
    #expect(FiniteCheck.firstNonFinite(in: values) == nil)
    values[place] = .nan
    #expect(FiniteCheck.firstNonFinite(in: values) == place)
    var patterns = [UInt16](repeating: 0x7F7F, count: 9_001)
    #expect(FiniteCheck.firstNonFinite(inBFloat16: patterns) == nil)
    patterns[place] = 0xFF80
    #expect(FiniteCheck.firstNonFinite(inBFloat16: patterns) == place)
  }

  @Test("a missing shard is named, with the index that asks for it")
  func missingShardIsNamed() throws {
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/sharded")
    try FileManager.default.removeItem(
      at: copy.appendingPathComponent("model-00002-of-00002.safetensors"))
    let text = errorText { _ = try Checkpoint(copy) }
    #expect(text.contains("model-00002-of-00002.safetensors") && text.contains("index.json"))
  }

  @Test(
    "an index that does not fit its shards is refused",
    arguments: [
      (#"{"weight_map":{"none":"model-00001-of-00002.safetensors"}}"#, "tensor none"),
      (#"{"weight_map":{"x":"../model.safetensors"}}"#, "../model.safetensors"),
      (#"{"weight_map":{"x":"model.bin"}}"#, "model.bin"),
      (#"{"metadata":{}}"#, "weight_map"),
      ("{", "not a valid index"),
    ])
  func badIndexIsRefused(json: String, expected: String) throws {
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/sharded")
    try Data(json.utf8).write(to: copy.appendingPathComponent("model.safetensors.index.json"))
    let text = errorText { _ = try Checkpoint(copy) }
    #expect(text.contains("model.safetensors.index.json") && text.contains(expected), "\(text)")
  }

  @Test("a folder without weights is named")
  func folderWithoutWeightsIsNamed() throws {
    let folder = try TemporaryFolder()
    let copy = try folder.copy("safetensors/single")
    try FileManager.default.removeItem(at: copy.appendingPathComponent("model.safetensors"))
    #expect(errorText { _ = try Checkpoint(copy) }.contains("\(copy.path) holds neither"))
  }
}
