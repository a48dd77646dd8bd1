import Foundation

/// Runs untrusted Python programs (DECISIONS: Sandbox).
///
/// bubblewrap gives each program namespaces of its own: no network, no home, no file but the system's
/// libraries (read only) and a file system in memory that goes with it, no process but its own.
/// prlimit bounds processor time, memory, file size and processes. Root, whom the kernel lets have
/// any number of processes, becomes nobody first.
public struct Sandbox: Sendable {
  public let limits: SandboxLimits
  private let command: [String]

  /// Finds the programs and tries them.
  ///
  /// - Parameter limits: For every program.
  /// - Throws: ``SandboxError`` if programs cannot be run safely here.
  public init(limits: SandboxLimits = SandboxLimits()) throws(SandboxError) {
    try self.init(limits: limits, folders: Self.systemFolders)
    guard try verdict(on: "import os, math") == .passed,
      case .failed("AssertionError: expected") = try verdict(on: "assert False, 'expected'")
    else { throw .unusable(message: "a program of one line has the wrong verdict") }
  }

  /// The files of the system, whose programs a user of the sandbox cannot have put there.
  static let systemFolders = ["/usr/bin", "/usr/local/bin", "/bin"]

  init(limits: SandboxLimits, folders: [String]) throws(SandboxError) {
    func path(_ program: String, package: String) throws(SandboxError) -> String {
      let places = folders.map { "\($0)/\(program)" }
      guard let place = places.first(where: FileManager.default.isExecutableFile) else {
        throw .missing(program: program, package: package)
      }
      return place
    }
    self.limits = limits
    var command: [String] = []
    if geteuid() == 0 {
      command += [
        try path("setpriv", package: "util-linux"), "--reuid=65534", "--regid=65534",
        "--clear-groups", "--no-new-privs", "--",
      ]
    }
    command += [try path("bwrap", package: "bubblewrap")] + Self.walls(limits)
    command += [try path("prlimit", package: "util-linux")] + Self.bounds(limits)
    command += [
      try path("python3", package: "python3"), "-I", "-S", "-B", "-c", SandboxHarness.source,
    ]
    self.command = command
  }

  private static func walls(_ limits: SandboxLimits) -> [String] {
    [
      "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
      "--ro-bind", "/usr", "/usr", "--ro-bind-try", "/lib", "/lib", "--ro-bind-try", "/lib64",
      "/lib64", "--ro-bind-try", "/bin", "/bin", "--proc", "/proc", "--dev", "/dev",
      "--size", "\(limits.diskBytes)", "--tmpfs", "/tmp",
      // Both are file systems in memory too, without a bound of their own.
      "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--",
    ]
  }

  /// Inside the walls, where the processes counted are the program's alone.
  private static func bounds(_ limits: SandboxLimits) -> [String] {
    [
      "--as=\(limits.memoryBytes)",
      // The soft limit says why it ends a program, the hard one ends those that do not listen.
      "--cpu=\(limits.processorSeconds):\(limits.processorSeconds + 1)",
      "--fsize=\(limits.diskBytes)", "--nproc=\(limits.processes)", "--nofile=64", "--core=0",
      "--",
    ]
  }

  /// Runs a program and waits for its end, or for the limit.
  ///
  /// - Parameter program: Python.
  /// - Returns: Whether it ran to its end; whatever it does, this is no error.
  /// - Throws: ``SandboxError`` if the sandbox itself does not work.
  public func verdict(on program: String) throws(SandboxError) -> ProgramVerdict {
    let child = try SandboxProcess(command: command, input: Data(program.utf8))
    let output = child.output(
      until: SandboxHarness.mark, seconds: limits.wallSeconds, atMost: 64 << 10)
    let status = child.end()
    guard let line = output.line else {
      if output.isLate { return .timedOut(seconds: limits.wallSeconds) }
      // Python was killed from inside; or never ran, and then bubblewrap or Python say why.
      guard output.text.isEmpty else { throw .unusable(message: output.text) }
      return .failed("left without a verdict, status \(status)")
    }
    return line == "passed" ? .passed : .failed(String(line.dropFirst("failed ".count)))
  }

  /// Runs programs side by side, as many as there are processors.
  ///
  /// - Parameters:
  ///   - programs: Python.
  ///   - progress: Fraction done, 0…1, called from this thread.
  /// - Returns: A verdict a program.
  /// - Throws: ``SandboxError`` if the sandbox itself does not work.
  public func verdicts(
    on programs: [String], progress: (Double) -> Void = { _ in }
  ) throws(SandboxError) -> [ProgramVerdict] {
    let width = max(1, ProcessInfo.processInfo.activeProcessorCount)
    var verdicts: [ProgramVerdict] = []
    verdicts.reserveCapacity(programs.count)
    while verdicts.count < programs.count {
      let batch = Array(programs[verdicts.count...].prefix(4 * width))
      let answers = Answers(count: batch.count)
      DispatchQueue.concurrentPerform(iterations: batch.count) { index in
        let answer = Result { () throws(SandboxError) in try verdict(on: batch[index]) }
        answers.set(answer, at: index)
      }
      for answer in answers.all { verdicts.append(try answer.get()) }
      progress(Double(verdicts.count) / Double(programs.count))
    }
    return verdicts
  }

  /// Written by many threads, each its own element, under one lock.
  private final class Answers: @unchecked Sendable {
    // Sound: `values` is touched under `lock` only.
    private let lock = NSLock()
    private var values: [Result<ProgramVerdict, SandboxError>]

    init(count: Int) { values = Array(repeating: .success(.failed("not run")), count: count) }

    func set(_ value: Result<ProgramVerdict, SandboxError>, at index: Int) {
      lock.withLock { values[index] = value }
    }

    var all: [Result<ProgramVerdict, SandboxError>] { lock.withLock { values } }
  }
}
