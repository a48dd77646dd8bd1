public import Foundation

/// Where models are loaded and timed.
public enum SpeedHost: Sendable {
  /// A process for each, of a program that calls ``SpeedWorker/serve(_:)`` on its standard input: peak
  /// memory is then that of one model.
  case processes(URL, arguments: [String])
  /// Threads of this process, which share its memory.
  case threads
}

/// A model in a place of its own.
final class SpeedProcess {
  let subject: SpeedSubject
  let greeting: SpeedWorker.Greeting
  private let channel: LineChannel
  private let process: Process?

  /// Loads a model.
  ///
  /// - Throws: ``SpeedError``.
  init(_ subject: SpeedSubject, room: Int, on host: SpeedHost) throws {
    self.subject = subject
    let (mine, theirs) = try LineChannel.pair()
    channel = LineChannel(mine)
    switch host {
    case .threads:
      process = nil
      Thread { try? SpeedWorker.serve(theirs) }.start()
    case .processes(let program, let arguments):
      process = try Self.start(program, arguments, input: theirs)
    }
    try channel.send(SpeedWorker.Order(subject: subject, room: room))
    guard let greeting = try channel.receive(SpeedWorker.Greeting.self) else {
      throw SpeedError.ended
    }
    if let reason = greeting.error {
      throw SpeedError.refused(model: subject.folder, reason: reason)
    }
    self.greeting = greeting
  }

  /// The other side leaves when nobody asks any more.
  deinit {
    channel.end()
    process?.waitUntilExit()
  }

  private static func start(
    _ program: URL, _ arguments: [String], input: Int32
  ) throws(SpeedError) -> Process {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    // Ours would keep the socket open after the process has ended.
    defer { close(input) }
    process.standardInput = FileHandle(fileDescriptor: input, closeOnDealloc: false)
    process.standardOutput = FileHandle.nullDevice
    do { try process.run() } catch {
      throw .cannotStart(reason: "\(program.path): \(error.localizedDescription)")
    }
    return process
  }

  /// - Throws: ``SpeedError``.
  func run(_ turn: SpeedWorker.Turn) throws -> SpeedWorker.Answer {
    try channel.send(turn)
    guard let answer = try channel.receive(SpeedWorker.Answer.self) else { throw SpeedError.ended }
    if let reason = answer.error {
      throw SpeedError.refused(model: subject.folder, reason: reason)
    }
    return answer
  }
}
