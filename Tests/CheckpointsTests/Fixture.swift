import Foundation

/// Files beside the tests.
enum Fixture {
  /// The location of a file or folder under `Fixtures`.
  static func url(_ path: String) -> URL {
    Bundle.module.bundleURL.appendingPathComponent("Fixtures").appendingPathComponent(path)
  }

  /// A golden JSON file.
  static func goldens<Goldens: Decodable>(_ path: String, as type: Goldens.Type) throws -> Goldens {
    try JSONDecoder().decode(type, from: Data(contentsOf: url(path)))
  }
}

/// A folder of one test, removed with it.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("assay-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Writes a file and returns its location.
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> URL {
    let file = url.appendingPathComponent(name)
    try Data(bytes).write(to: file)
    return file
  }

  /// A safetensors file from header JSON and data, valid or not.
  func safeTensors(
    _ json: String, dataBytes: Int, name: String = "model.safetensors"
  ) throws -> URL {
    let length = withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian, Array.init)
    return try write(
      name, length + Array(json.utf8) + [UInt8](repeating: 0, count: dataBytes))
  }

  /// A copy of a fixture folder, to be damaged.
  func copy(_ path: String) throws -> URL {
    let target = url.appendingPathComponent("copy")
    try FileManager.default.copyItem(at: Fixture.url(path), to: target)
    return target
  }
}

/// The text of the error that `body` throws; empty if it throws none.
func errorText(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch {
    return "\(error)"
  }
}
