import Foundation

/// A file that appears under its name only when it is complete and on disk.
///
/// Bytes go to a temporary file in the same folder; ``commit()`` syncs and renames it. Without a
/// commit the temporary file is removed.
final class AtomicFile {
  private let path: String
  private var temporaryPath: String
  private var descriptor: Int32

  /// - Throws: ``CheckpointError/cannotWrite(file:reason:)``.
  init(_ url: URL) throws(CheckpointError) {
    path = url.path
    var template = Array((url.path + ".XXXXXX").utf8CString)
    descriptor = mkstemp(&template)
    temporaryPath = template.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
    guard descriptor >= 0 else { throw failure() }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    // mkstemp makes the file private; a checkpoint is readable like any other file.
    fchmod(descriptor, 0o644)
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporaryPath)
  }

  /// Writes all bytes at an offset.
  ///
  /// - Throws: ``CheckpointError/cannotWrite(file:reason:)``.
  func write(_ bytes: [UInt8], at offset: Int) throws(CheckpointError) {
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes { buffer in
        pwrite(
          descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, offset + done)
      }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure() }
      done += written
    }
  }

  /// Copies bytes that were written here into another file.
  ///
  /// - Throws: ``CheckpointError/cannotWrite(file:reason:)``.
  func copy(
    _ range: Range<Int>, to other: AtomicFile, at offset: Int
  ) throws(CheckpointError) {
    var start = range.lowerBound
    while start < range.upperBound {
      var buffer = [UInt8](repeating: 0, count: min(range.upperBound - start, 1 << 20))
      let read = buffer.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress, $0.count, start)
      }
      if read < 0 && errno == EINTR { continue }
      guard read > 0 else { throw failure() }
      buffer.removeLast(buffer.count - read)
      try other.write(buffer, at: offset + start - range.lowerBound)
      start += read
    }
  }

  /// Puts the file in its place.
  ///
  /// - Throws: ``CheckpointError/cannotWrite(file:reason:)``.
  func commit() throws(CheckpointError) {
    guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else { throw failure() }
    close(descriptor)
    descriptor = -1
    syncDirectory()
  }

  /// Makes the rename itself durable, where the file system can.
  private func syncDirectory() {
    let directory = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  private func failure() -> CheckpointError {
    .cannotWrite(file: path, reason: String(cString: strerror(errno)))
  }
}
