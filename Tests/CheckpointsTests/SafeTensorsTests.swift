import Checkpoints
import Foundation
import Statistics
import Tensors
import Testing

@Suite("A safetensors header is believed only after every check")
struct SafeTensorsTests {
  /// The error's text for a file with this header; it must name the file.
  private func failure(_ json: String, dataBytes: Int = 8) throws -> String {
    let folder = try TemporaryFolder()
    let url = try folder.safeTensors(json, dataBytes: dataBytes)
    let text = errorText { _ = try SafeTensorsFile(url) }
    #expect(text.contains(url.path), "\(text)")
    return text
  }

  @Test("a file of the reference implementation opens with its metadata, types and shapes")
  func referenceFileOpens() throws {
    let file = try SafeTensorsFile(Fixture.url("safetensors/every_type.safetensors"))
    #expect(file.metadata == ["bits": "2.5"])
    #expect(file.tensors.count == 10)
    #expect(file.tensors["scalar"]?.shape == [])
    #expect(file.tensors["scalar"]?.elementCount == 1)
    #expect(file.tensors["e.index"]?.dtype == .int32)
    #expect(file.tensors["odd \"name\"\\\té"]?.byteCount == 0)
    #expect(try file.withBytes(of: "a.codes", Array.init) == [1, 2, 3])
  }

  @Test("releasing pages changes no byte")
  func releasedPagesComeBack() throws {
    let file = try SafeTensorsFile(Fixture.url("safetensors/every_type.safetensors"))
    let before = try file.withBytes(of: "g.long", Array.init)
    file.releasePages(of: "g.long")
    file.releasePages(of: "no such tensor")
    #expect(try file.withBytes(of: "g.long", Array.init) == before)
  }

  @Test("a missing file, an empty file and a folder are refused with their paths")
  func unreadableFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    let missing = folder.url.appendingPathComponent("none.safetensors")
    #expect(errorText { _ = try SafeTensorsFile(missing) }.contains("No such file"))
    let empty = try folder.write("empty.safetensors", [])
    #expect(
      throws: CheckpointError.truncatedFile(file: empty.path, bytes: 0)
    ) { try SafeTensorsFile(empty) }
    #expect(errorText { _ = try SafeTensorsFile(folder.url) }.contains("not a regular file"))
  }

  @Test("a truncated file is refused at every length", arguments: [1, 7, 8, 9, 100, 700, 744])
  func truncationIsFound(length: Int) throws {
    let whole = try Data(contentsOf: Fixture.url("safetensors/every_type.safetensors"))
    let folder = try TemporaryFolder()
    let url = try folder.write("cut.safetensors", whole.prefix(length))
    let text = errorText { _ = try SafeTensorsFile(url) }
    #expect(text.contains(url.path) && text.contains("download it again"), "\(text)")
  }

  @Test(
    "a header longer than the file or the limit is refused",
    arguments: [UInt64(9), 100_000_001, UInt64(Int64.max), .max])
  func oversizedHeaderIsRefused(length: UInt64) throws {
    let folder = try TemporaryFolder()
    let url = try folder.write(
      "big.safetensors", withUnsafeBytes(of: length.littleEndian, Array.init) + Array("{}".utf8))
    let error = CheckpointError.headerOutOfRange(
      file: url.path, headerBytes: length, fileBytes: 10)
    #expect(throws: error) { try SafeTensorsFile(url) }
    #expect("\(error)".contains("\(length) bytes"))
  }

  @Test("overlapping tensors are named")
  func overlapIsFound() throws {
    let text = try failure(
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""b":{"dtype":"F16","shape":[3],"data_offsets":[2,8]}}"#)
    #expect(text.contains("Tensors a and b") && text.contains("share bytes"))
  }

  @Test("bytes that belong to no tensor are refused, before and behind the tensors")
  func holesAreFound() throws {
    let behind = try failure(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#)
    #expect(behind.contains("Bytes 4..<8"))
    let before = try failure(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#)
    #expect(before.contains("Bytes 0..<4"))
  }

  @Test(
    "offsets outside the data are refused",
    arguments: ["[0,12]", "[-4,0]", "[8,4]", "[9223372036854773760,9223372036854774784]"])
  func offsetsOutOfRangeAreFound(offsets: String) throws {
    let text = try failure(#"{"a.b":{"dtype":"F32","shape":[1],"data_offsets":\#(offsets)}}"#)
    #expect(text.contains("Tensor a.b") && text.contains("of 8 bytes of data"), "\(text)")
  }

  @Test("an unknown element type is named, with those that are supported")
  func unknownTypeIsFound() throws {
    let text = try failure(#"{"a.b":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#)
    #expect(text.contains("Tensor a.b") && text.contains("F8_E4M3") && text.contains("BF16"))
  }

  @Test("a byte count that does not follow from the shape is refused with both numbers")
  func wrongByteCountIsFound() throws {
    let text = try failure(#"{"a.b":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#)
    #expect(text.contains("Tensor a.b") && text.contains("needs 12") && text.contains("found 8"))
  }

  @Test(
    "negative and overflowing shapes are refused, not trapped on",
    arguments: ["[-2]", "[4611686018427387904,4611686018427387904]", "[4611686018427387904]"])
  func impossibleShapesAreFound(shape: String) throws {
    let text = try failure(#"{"a.b":{"dtype":"F32","shape":\#(shape),"data_offsets":[0,8]}}"#)
    #expect(text.contains("Tensor a.b") && text.contains("impossible shape"), "\(text)")
  }

  @Test(
    "a header that is not the expected JSON is refused",
    arguments: [
      "", "[]", "{", #"{"a":{}}"#, #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#,
      #"{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}"#, #"{"__metadata__":{"a":1}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}"#,
    ])
  func malformedHeaderIsRefused(json: String) throws {
    #expect(try failure(json).contains("not a valid safetensors header"))
  }

  @Test("a tensor that the header lists twice is named with its place, in one line")
  func duplicateTensorIsFound() throws {
    let entry = #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#
    let text = try failure("{\(entry),\(entry)}", dataBytes: 4)
    #expect(
      text.contains(#"line 1, column 55: The key "a" stands twice in one object; remove one. Wr"#),
      "\(text)")
    let broken = try failure("{\(entry)", dataBytes: 4)
    #expect(!broken.contains("Error Domain") && !broken.contains("\n"), "\(broken)")
  }

  @Test("no change of header bytes traps or opens more than the file holds")
  func randomDamageIsSurvived() throws {
    let whole = try Array(Data(contentsOf: Fixture.url("safetensors/every_type.safetensors")))
    let folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 3)
    for round in 0..<200 {
      var damaged = whole
      for _ in 0...random.below(3) {
        damaged[random.below(0x2A0)] = UInt8(truncatingIfNeeded: random.next())
      }
      let url = try folder.write("damaged.safetensors", damaged)
      do {
        let file = try SafeTensorsFile(url)
        let total = file.tensors.values.reduce(0) { $0 + $1.byteCount }
        #expect(total <= whole.count, "round \(round)")
      } catch {
        #expect("\(error)".contains(url.path), "round \(round)")
      }
    }
  }
}
