import Foundation
import Synchronization

/// Files of the store whose content this process has compared with their digest, so that each is
/// read once.
final class VerifiedFiles: Sendable {
  private let stamps = Mutex<[String: FileStamp]>([:])

  /// Whether the file still is the one that was found intact.
  func contains(_ file: URL) -> Bool {
    guard let stamp = try? FileStamp(of: file) else { return false }
    return stamps.withLock { $0[file.path] } == stamp
  }

  func insert(_ file: URL) {
    let stamp = try? FileStamp(of: file)
    stamps.withLock { $0[file.path] = stamp }
  }
}

/// What of a file changes when it is written to: size, inode, modification and change time.
struct FileStamp: Equatable {
  let text: String
  /// Later of modification and change, seconds since 1970.
  let changed: Int

  init(of file: URL) throws(StoreError) {
    var info = stat()
    guard stat(file.path, &info) == 0 else {
      throw .system(operation: "reading", path: file.path, code: errno)
    }
    let numbers = [
      Int(info.st_size), Int(info.st_ino), info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
      info.st_ctim.tv_sec, info.st_ctim.tv_nsec,
    ]
    text = numbers.map(String.init).joined(separator: " ")
    changed = max(info.st_mtim.tv_sec, info.st_ctim.tv_sec)
  }
}
