import Foundation

/// Reads small files at once; Foundation's errors are dictionaries, these are the system's words.
enum WholeFile {
  /// - Throws: ``UnreadableFile``.
  static func contents(of url: URL) throws(UnreadableFile) -> Data {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw UnreadableFile(code: errno) }
    defer { close(descriptor) }
    var contents = Data()
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &block, block.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw UnreadableFile(code: errno) }
      guard count > 0 else { return contents }
      contents.append(contentsOf: block.prefix(count))
    }
  }
}

/// Why the system refused to read a file; whoever asked for it names it.
struct UnreadableFile: Error, CustomStringConvertible {
  let code: Int32

  var description: String { String(cString: strerror(code)) }
}
