import Foundation

/// Where commands print what they found; nothing of it is lost without an error.
enum StandardOutput {
  /// Where texts go; another one in tests.
  @TaskLocal static var descriptor = STDOUT_FILENO

  /// Gives descriptors that the caller closed to `/dev/null`: the next file that is opened would get
  /// their number, and the output with it. Standard output stays unwritable.
  static func reserveDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
      _ = open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
    }
  }

  /// Writes a text as it is, at once.
  ///
  /// - Parameters:
  ///   - text: With its line feeds.
  ///   - descriptor: Of what is written to.
  /// - Throws: ``OutputError``, as on a full disk.
  static func write(_ text: String, to descriptor: Int32 = Self.descriptor) throws(OutputError) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw OutputError(reason: String(cString: strerror(errno))) }
      rest = rest.dropFirst(written)
    }
  }

  /// Writes a line.
  ///
  /// - Throws: As ``write(_:to:)``.
  static func writeLine(_ line: String) throws(OutputError) { try write(line + "\n") }
}

/// Why results did not reach standard output.
struct OutputError: Error, CustomStringConvertible {
  let reason: String

  var description: String {
    "Standard output cannot be written: \(reason). What was printed so far is incomplete."
  }
}
