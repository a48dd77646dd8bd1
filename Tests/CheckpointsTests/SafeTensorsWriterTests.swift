import Checkpoints
import Foundation
import Testing

@Suite("Written safetensors files are complete, canonical and readable")
struct SafeTensorsWriterTests {
  private let payloads: [TensorPayload] = [
    TensorPayload(name: "b", dtype: .uint8, shape: [3], bytes: [1, 2, 3]),
    TensorPayload(name: "a", dtype: .float16, shape: [1, 2], bytes: [4, 5, 6, 7]),
    TensorPayload(name: "c", dtype: .int32, shape: [], bytes: [8, 9, 10, 11]),
    TensorPayload(name: "d", dtype: .float32, shape: [0, 7], bytes: []),
  ]

  @Test("the writer gives the bytes of the reference implementation")
  func equalsReference() throws {
    let reference = Fixture.url("safetensors/every_type.safetensors")
    let file = try SafeTensorsFile(reference)
    let tensors = try file.tensors.values.map { info in
      TensorPayload(
        name: info.name, dtype: info.dtype, shape: info.shape,
        bytes: try file.withBytes(of: info.name, Array.init))
    }
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("written.safetensors")
    try SafeTensorsWriter.write(tensors, metadata: file.metadata, to: url)
    #expect(try Data(contentsOf: url) == Data(contentsOf: reference))
  }

  @Test("bytes that are made tensor by tensor give the same file")
  func streamedEqualsPayloads() throws {
    let folder = try TemporaryFolder()
    let urls = ["payloads", "streamed"].map { folder.url.appendingPathComponent($0) }
    try SafeTensorsWriter.write(payloads, metadata: [:], to: urls[0])
    let infos = payloads.compactMap {
      TensorInfo(name: $0.name, dtype: $0.dtype, shape: $0.shape)
    }
    try SafeTensorsWriter.write(infos, metadata: [:], to: urls[1]) { info in
      try #require(payloads.first { $0.name == info.name }).bytes
    }
    #expect(try Data(contentsOf: urls[0]) == Data(contentsOf: urls[1]))
  }

  @Test("what is written is read back")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("written.safetensors")
    let metadata = ["recipe": "experts 2.54 bits \u{1}\n\"x\"", "é": "ü"]
    try SafeTensorsWriter.write(payloads, metadata: metadata, to: url)
    let file = try SafeTensorsFile(url)
    #expect(file.metadata == metadata)
    #expect(file.tensors.count == payloads.count)
    for payload in payloads {
      #expect(file.tensors[payload.name]?.shape == payload.shape)
      #expect(file.tensors[payload.name]?.dtype == payload.dtype)
      #expect(try file.withBytes(of: payload.name, Array.init) == payload.bytes)
    }
  }

  @Test("the order of tensors and metadata does not change a byte, and data begins aligned")
  func isDeterministic() throws {
    let folder = try TemporaryFolder()
    let urls = ["one", "two"].map { folder.url.appendingPathComponent($0) }
    let keys = (0..<20).map { ("key \($0)", "\($0)") }
    try SafeTensorsWriter.write(
      payloads, metadata: Dictionary(uniqueKeysWithValues: keys), to: urls[0])
    try SafeTensorsWriter.write(
      payloads.reversed(), metadata: Dictionary(uniqueKeysWithValues: keys.reversed()), to: urls[1])
    let first = try Data(contentsOf: urls[0])
    #expect(try first == Data(contentsOf: urls[1]))
    let headerBytes = first.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    #expect(headerBytes.isMultiple(of: 8))
  }

  @Test("writing replaces an earlier file and leaves nothing else behind")
  func replacesAtomically() throws {
    let folder = try TemporaryFolder()
    let url = try folder.write("model.safetensors", [1, 2, 3])
    try SafeTensorsWriter.write(payloads, metadata: [:], to: url)
    #expect(try SafeTensorsFile(url).tensors.count == payloads.count)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["model.safetensors"])
  }

  @Test("payloads that contradict themselves are refused and leave the earlier file alone")
  func badPayloadsAreRefused() throws {
    let folder = try TemporaryFolder()
    let url = try folder.write("model.safetensors", [1, 2, 3])
    let bad: [[TensorPayload]] = [
      [payloads[0], payloads[0]],
      [TensorPayload(name: "__metadata__", dtype: .uint8, shape: [1], bytes: [0])],
      [TensorPayload(name: "b", dtype: .float32, shape: [2], bytes: [0])],
      [TensorPayload(name: "b", dtype: .float32, shape: [-1], bytes: [])],
    ]
    for tensors in bad {
      let text = errorText { try SafeTensorsWriter.write(tensors, metadata: [:], to: url) }
      #expect(text.contains(url.path) && text.contains(tensors[0].name), "\(text)")
    }
    #expect(try Data(contentsOf: url) == Data([1, 2, 3]))
  }

  @Test("a folder that does not exist is named")
  func missingFolderIsNamed() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("none/model.safetensors")
    let text = errorText { try SafeTensorsWriter.write(payloads, metadata: [:], to: url) }
    #expect(text.contains("Cannot write \(url.path)") && text.contains("No such file"), "\(text)")
  }
}
