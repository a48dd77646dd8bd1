import Foundation

/// Claims by `flock`: the kernel releases them when their holder dies, so `kill -9` needs no repair.
///
/// Locks belong to the open file, so two engines in one process exclude each other too. Lock files
/// are never deleted: a deleted one could be held and re-made at the same time.
enum FileLock {
  /// Runs `body` holding the lock, or returns nil at once if somebody else holds it.
  static func ifFree<Result>(_ file: URL, _ body: () throws -> Result) throws -> Result? {
    try holding(file, flags: LOCK_EX | LOCK_NB, body)
  }

  /// Waits for the lock, then runs `body`.
  static func waiting<Result>(_ file: URL, _ body: () throws -> Result) throws -> Result {
    while true {
      if let result = try holding(file, flags: LOCK_EX, body) { return result }
    }
  }

  /// Whether somebody holds the lock now.
  static func isHeld(_ file: URL) -> Bool {
    guard FileManager.default.fileExists(atPath: file.path) else { return false }
    return (try? ifFree(file) {}) == nil
  }

  private static func holding<Result>(
    _ file: URL, flags: Int32, _ body: () throws -> Result
  ) throws -> Result? {
    try DurableFile.makeFolder(file.deletingLastPathComponent())
    let descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw StoreError.system(operation: "opening", path: file.path, code: errno)
    }
    defer { close(descriptor) }
    guard flock(descriptor, flags) == 0 else {
      if errno == EWOULDBLOCK || errno == EINTR { return nil }
      throw StoreError.system(operation: "locking", path: file.path, code: errno)
    }
    return try body()
  }
}
