import Foundation

/// A reader under test, and the folder in memory where it finds its files.
struct Feeding {
  private let reader: any FuzzReader
  private let folder: URL

  init(_ target: FuzzTarget) throws {
    folder = URL(filePath: "/dev/shm/assay-fuzz-\(getpid())", directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    reader =
      switch target {
      case .safetensors: try SafeTensorsReader(folder)
      case .config: ConfigurationReader(folder)
      case .tokenizer: TokenizerReader(folder)
      case .spec: SpecReader(folder)
      case .table: TableReader()
      case .plan: try PlanFileReader()
      case .json: JSONReader()
      case .index: try IndexReader(folder)
      }
  }

  /// Whether the input was read without an error.
  func accepts(_ bytes: [UInt8]) -> Bool {
    do {
      try reader.read(bytes)
      return true
    } catch {
      // The message is part of what must not trap.
      return "\(error)".isEmpty
    }
  }

  /// Reads once and prints the error, if there is one.
  func report(_ bytes: [UInt8]) throws {
    defer { removeFiles() }
    do {
      try reader.read(bytes)
      print("accepted")
    } catch {
      print("refused: \(error)")
    }
  }

  func removeFiles() { try? FileManager.default.removeItem(at: folder) }
}

/// Reads an input as a user's file would be read, and uses what it says.
protocol FuzzReader {
  func read(_ bytes: [UInt8]) throws
}

/// A file that holds one input after the other.
struct InputFile {
  let url: URL

  init(_ folder: URL, _ name: String) { url = folder.appending(path: name) }

  func write(_ bytes: [UInt8]) throws {
    let descriptor = open(url.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    let written = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
    guard descriptor >= 0, written == bytes.count else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
  }
}
