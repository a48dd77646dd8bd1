import Checkpoints
import Foundation
import Testing

/// In a process of its own: beyond so many bytes every write fails, as on a full disk.
private func limitFileSize(to bytes: UInt) {
  signal(SIGXFSZ, SIG_IGN)
  var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
  precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
}

/// In a process of its own: root may read everything, so it becomes nobody.
private func dropPrivileges() {
  if geteuid() == 0 { precondition(seteuid(65_534) == 0) }
}

@Suite("What the disk refuses is named in one line, and nothing half-written stays")
struct DiskErrorTests {
  @Test("safetensors on a full disk: the earlier file stays, the temporary one goes")
  func fullDisk() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let url = try folder.write("model.safetensors", [1, 2, 3])
      limitFileSize(to: 4_096)
      let tensor = TensorPayload(
        name: "w", dtype: .uint8, shape: [1 << 16], bytes: [UInt8](repeating: 7, count: 1 << 16))
      let text = errorText { try SafeTensorsWriter.write([tensor], metadata: [:], to: url) }
      precondition(
        text == "Cannot write \(url.path): File too large. Check the folder, its permissions and "
          + "the free space.", text)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
      precondition(names == ["model.safetensors"], "\(names)")
      let left = try Data(contentsOf: url)
      precondition(left == Data([1, 2, 3]))
    }
  }

  @Test("a file without permission to read is named by every reader, with the system's words")
  func permissionDenied() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let url = try folder.write("closed.json", Array("{}".utf8))
      precondition(chmod(folder.url.path, 0o755) == 0 && chmod(url.path, 0) == 0)
      dropPrivileges()
      let texts = [
        errorText { _ = try SafeTensorsFile(url) }, errorText { _ = try ModelConfiguration(url) },
        errorText { _ = try Tokenizer(url) }, errorText { _ = try TextCorpus(url, format: .text) },
      ]
      for text in texts {
        precondition(text.contains(url.path) && text.contains("Permission denied"), text)
        precondition(!text.contains("Error Domain") && !text.contains("\n"), text)
      }
    }
  }

  @Test("a folder in place of a file is named by every reader")
  func folderInPlaceOfFile() throws {
    let folder = try TemporaryFolder()
    let index = folder.url.appendingPathComponent("copy/model.safetensors.index.json")
    let copy = try folder.copy("safetensors/sharded")
    try FileManager.default.removeItem(at: index)
    try FileManager.default.createDirectory(at: index, withIntermediateDirectories: true)
    let texts = [
      errorText { _ = try ModelConfiguration(folder.url) },
      errorText { _ = try Tokenizer(folder.url) },
      errorText { _ = try TextCorpus(folder.url, format: .text) },
      errorText { _ = try Checkpoint(copy) },
    ]
    for text in texts {
      #expect(text.contains(folder.url.path) && text.contains("Is a directory"), "\(text)")
    }
    #expect(errorText { _ = try SafeTensorsFile(folder.url) }.contains("not a regular file"))
  }

  @Test("an index or configuration that is missing is named without Foundation's dictionaries")
  func missingConfiguration() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("config.json")
    #expect(
      errorText { _ = try ModelConfiguration(url) }
        == "Cannot read \(url.path): No such file or directory. Give the folder of a checkpoint "
        + "with a valid config.json.")
  }
}
