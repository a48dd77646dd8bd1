import Foundation

/// Runs children until all inputs of a target are done, and keeps the inputs that ended one.
struct FuzzParent {
  static let secondsAllowed = 5.0

  let target: FuzzTarget
  let seed: UInt64
  let inputs: Int
  let folder: URL

  func run() throws -> FuzzOutcome {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let path = "/dev/shm/assay-fuzz-\(getpid()).record"
    defer { unlink(path) }
    let record = try InputRecord(path)
    let start = ContinuousClock.now
    var findings = 0
    var next = 0
    while next < inputs {
      record.set(index: next, bytes: [])
      guard let ending = try watch(try child(path, from: next), record) else { break }
      findings += 1
      try keep(record, ending)
      next = record.index + 1
    }
    return FuzzOutcome(
      target: target, inputs: inputs, accepted: record.accepted, findings: findings,
      duration: ContinuousClock.now - start)
  }

  private func child(_ record: String, from first: Int) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      "--target", target.rawValue, "--inputs", "\(inputs)", "--seed", "\(seed)",
      "--record", record, "--first", "\(first)",
    ]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFT_BACKTRACE": "enable=no", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"]
    ) { $1 }
    try process.run()
    return process
  }

  /// How the child ended before its last input; nil if it came to the end.
  private func watch(_ child: Process, _ record: InputRecord) throws -> String? {
    var (last, since) = (-1, ContinuousClock.now)
    while child.isRunning {
      usleep(20_000)
      if record.index != last { (last, since) = (record.index, ContinuousClock.now) }
      if ContinuousClock.now - since > .seconds(Self.secondsAllowed) {
        kill(child.processIdentifier, SIGKILL)
        child.waitUntilExit()
        return "hang"
      }
    }
    child.waitUntilExit()
    guard child.terminationReason == .uncaughtSignal else {
      guard child.terminationStatus == 0 else { throw FuzzError.childFailed(target.rawValue) }
      return nil
    }
    return "signal-\(child.terminationStatus)"
  }

  private func keep(_ record: InputRecord, _ ending: String) throws {
    let file = folder.appending(path: "\(target.rawValue)-\(record.index)-\(ending)")
    try Data(record.bytes).write(to: file)
    print("\(target.rawValue) input \(record.index): \(ending); kept as \(file.path)")
  }
}

enum FuzzError: Error, CustomStringConvertible {
  case childFailed(String)
  case noCorpus(folder: String)

  var description: String {
    switch self {
    case .childFailed(let target):
      "The child of target \(target) failed before it read an input; its message stands above."
    case .noCorpus(let folder):
      "\(folder): there are no corpus files; run fuzz in the root of the repository."
    }
  }
}
