import Foundation

/// A child whose output is read up to a line, a size or a moment, and which then ends.
///
/// Foundation's `Process` waits in a run loop and has no such bounds.
struct SandboxProcess: ~Copyable {
  private let identifier: pid_t
  private let reading: Int32

  /// What a child wrote.
  struct Output {
    /// The rest of the line behind the mark.
    var line: String?
    /// What was written before; the first part of it.
    var text = ""
    var isLate = false
  }

  /// Starts a program that has no file open but these three.
  ///
  /// - Parameters:
  ///   - command: Path and arguments.
  ///   - input: Its standard input.
  /// - Throws: ``SandboxError/cannotStart(code:message:)``.
  init(command: [String], input: Data) throws(SandboxError) {
    let source = try Self.file(holding: input)
    defer { close(source) }
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Self.error(errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, source, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    for file in Self.openFiles where file > 2 { posix_spawn_file_actions_addclose(&actions, file) }
    var arguments = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var environment: [UnsafeMutablePointer<CChar>?] = [nil]
    var child: pid_t = 0
    let code = posix_spawn(&child, command[0], &actions, nil, &arguments, &environment)
    guard code == 0 else {
      close(ends[0])
      throw Self.error(code)
    }
    (identifier, reading) = (child, ends[0])
  }

  /// Files that this process has open: a program could write to what it inherits.
  private static var openFiles: [Int32] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    return (names ?? []).compactMap { Int32($0) }
  }

  private static func error(_ code: Int32) -> SandboxError {
    .cannotStart(code: code, message: String(cString: strerror(code)))
  }

  /// A file without a name: unlike a pipe it never waits for a reader.
  private static func file(holding data: Data) throws(SandboxError) -> Int32 {
    let folder = FileManager.default.temporaryDirectory
    var path = folder.appending(path: "assay-program-XXXXXX").path.utf8CString.map { $0 }
    let file = mkstemp(&path)
    guard file >= 0 else { throw error(errno) }
    unlink(path)
    var rest = data[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      guard written > 0 else {
        let code = errno
        close(file)
        throw error(code)
      }
      rest = rest.dropFirst(written)
    }
    lseek(file, 0, SEEK_SET)
    return file
  }

  /// Reads until the line behind `mark` is whole, the output ends, or time or size are used up.
  func output(until mark: String, seconds: Double, atMost limit: Int) -> Output {
    let end = ContinuousClock.now + .seconds(seconds)
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    var output = Output()
    while bytes.count < limit {
      let left = (end - .now) / .milliseconds(1)
      var wait = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
      let ready = poll(&wait, 1, Int32(max(0, min(left.rounded(.up), 1e9))))
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else {
        output.isLate = true
        break
      }
      let count = read(reading, &piece, piece.count)
      guard count > 0 else { break }
      bytes += piece[..<count]
      if piece[..<count].contains(UInt8(ascii: "\n")), Self.line(behind: mark, in: bytes) != nil {
        break
      }
    }
    output.line = Self.line(behind: mark, in: bytes)
    output.text = String(decoding: bytes.prefix(2000), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    return output
  }

  private static func line(behind mark: String, in bytes: [UInt8]) -> String? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let start = text.firstRange(of: mark)?.upperBound,
      let end = text[start...].firstIndex(of: "\n")
    else { return nil }
    return String(text[start..<end])
  }

  /// Ends the child, with all that lives in its namespaces, and waits for it.
  ///
  /// - Returns: The exit status; 128 and the number of the signal that killed it.
  consuming func end() -> Int32 {
    kill(identifier, SIGKILL)
    var status: Int32 = 0
    while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    close(reading)
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }
}
