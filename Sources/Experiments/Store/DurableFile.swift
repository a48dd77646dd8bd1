import Foundation

/// Files that are there entirely or not at all, also after a power cut.
enum DurableFile {
  /// Writes to a temporary sibling, syncs it, renames it over `file`, and syncs the folder.
  static func write(_ data: Data, to file: URL) throws {
    let folder = file.deletingLastPathComponent()
    let temporary = folder.appending(path: ".\(file.lastPathComponent).\(uniqueSuffix())")
    do {
      try fill(temporary, with: data, for: file)
      try rename(temporary, to: file)
    } catch {
      try? FileManager.default.removeItem(at: temporary)
      throw error
    }
  }

  /// Writes and syncs; an error names the file that was meant.
  private static func fill(_ temporary: URL, with data: Data, for file: URL) throws(StoreError) {
    let failure = { StoreError.system(operation: "writing", path: file.path, code: errno) }
    let descriptor = open(temporary.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    var done = 0
    while done < data.count {
      let written = data.withUnsafeBytes { bytes in
        Foundation.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
      }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure() }
      done += written
    }
    guard fsync(descriptor) == 0 else { throw failure() }
  }

  /// Renames and syncs the folder that now holds the name.
  static func rename(_ source: URL, to target: URL) throws {
    guard Foundation.rename(source.path, target.path) == 0 else {
      throw StoreError.system(operation: "renaming", path: source.path, code: errno)
    }
    try sync(target.deletingLastPathComponent())
  }

  /// Flushes a file or folder to the disk.
  static func sync(_ url: URL) throws {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw StoreError.system(operation: "opening", path: url.path, code: errno)
    }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw StoreError.system(operation: "syncing", path: url.path, code: errno)
    }
  }

  static func makeFolder(_ url: URL) throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  /// `<pid>-<random>`, unique on this machine and beyond.
  static func uniqueSuffix() -> String {
    "\(getpid())-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
  }
}
