import Foundation

/// Files that are there entirely or not at all, also after a power cut.
enum DurableFile {
  /// Writes to a temporary sibling, syncs it, renames it over `file`, and syncs the folder.
  static func write(_ data: Data, to file: URL) throws {
    let folder = file.deletingLastPathComponent()
    let temporary = folder.appending(path: ".\(file.lastPathComponent).\(uniqueSuffix())")
    do {
      try data.write(to: temporary)
      try sync(temporary)
      try rename(temporary, to: file)
    } catch {
      try? FileManager.default.removeItem(at: temporary)
      throw error
    }
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
