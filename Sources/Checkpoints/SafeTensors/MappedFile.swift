import Foundation

/// A read-only memory map of a whole file, unmapped when the last reference goes.
///
/// Pages come from the page cache when they are touched. A file that another program truncates
/// while it is mapped ends the process (SIGBUS), as with every map.
// @unchecked Sendable: all stored values are constants and nobody writes to the mapped bytes.
final class MappedFile: @unchecked Sendable {
  let path: String
  /// Size of the file in bytes.
  let count: Int
  private let base: UnsafeMutableRawPointer?

  /// Maps the file.
  ///
  /// - Throws: ``CheckpointError/cannotOpen(file:reason:)``.
  init(_ url: URL) throws(CheckpointError) {
    path = url.path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotOpen(file: path, reason: Self.lastFailure) }
    defer { close(descriptor) }
    count = try Self.size(of: descriptor, path: path)
    // mmap refuses empty files.
    guard count > 0 else {
      base = nil
      return
    }
    let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address, address != MAP_FAILED else {
      throw .cannotOpen(file: path, reason: Self.lastFailure)
    }
    base = address
  }

  deinit {
    if let base { munmap(base, count) }
  }

  private static var lastFailure: String { String(cString: strerror(errno)) }

  private static func size(of descriptor: Int32, path: String) throws(CheckpointError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .cannotOpen(file: path, reason: lastFailure)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .cannotOpen(file: path, reason: "not a regular file")
    }
    return Int(status.st_size)
  }

  /// Calls `body` with the bytes of `range`, which must lie in the file; they are valid only inside.
  func withBytes<Result>(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "\(range) in \(count) bytes of \(path)")
    // SAFETY: the range lies in the map, which lives as long as self.
    let whole = UnsafeRawBufferPointer(start: base, count: count)
    return try withExtendedLifetime(self) {
      try body(UnsafeRawBufferPointer(rebasing: whole[range]))
    }
  }

  /// Gives the memory of `range` back; the next access reads it from the file again.
  ///
  /// Whole pages are released, so that neighbours on the first and last page go too.
  func releasePages(in range: Range<Int>) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "\(range) in \(count) bytes of \(path)")
    guard let base, !range.isEmpty else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = range.lowerBound / page * page
    // A failure only means that the pages stay resident.
    _ = madvise(base + start, range.upperBound - start, MADV_DONTNEED)
  }
}
