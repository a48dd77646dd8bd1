import Experiments
import Foundation

/// Runs the body of a stage outside of an experiment.
///
/// What it writes is there entirely or not at all, also after Ctrl-C.
enum SingleStage {
  typealias Progress = @Sendable (_ fraction: Double, _ note: String) -> Void

  /// Writes into a temporary folder that becomes `output`, which must not exist or be empty, when the
  /// body returns.
  static func write(to output: URL, _ body: (StageContext) throws -> Void) throws {
    try OutputPlace.check(output, mayBeEmptyFolder: true)
    try write(output) { temporary in
      try body(StageContext(directory: temporary, inputs: [:], progress: StepProgress.show))
      return temporary
    }
  }

  /// Lets `body` write a file of the name of `output` into a temporary folder, then moves it there.
  static func write(file output: URL, _ body: (URL, Progress) throws -> Void) throws {
    try OutputPlace.check(output, mayBeEmptyFolder: false)
    try write(output) { temporary in
      let file = temporary.appending(path: output.lastPathComponent)
      try body(file, StepProgress.show)
      return file
    }
  }

  /// `body` gets a folder and returns what is to become `output`.
  private static func write(_ output: URL, _ body: (URL) throws -> URL) throws {
    Interruption.install(saying: "Interrupted; nothing was written.")
    let start = ContinuousClock.now
    let parent = output.absoluteURL.deletingLastPathComponent()
    let temporary = parent.appending(
      path: ".\(output.lastPathComponent).tmp-\(ProcessInfo.processInfo.processIdentifier)",
      directoryHint: .isDirectory)
    do {
      try Interruption.withTemporaryFolder(temporary) { folder in
        let written = try body(folder)
        guard rename(written.path, output.path) == 0 else {
          throw UnusableArgument("--out \(output.path): \(String(cString: strerror(errno))).")
        }
      }
    } catch {
      throw RenamedFolderError(error, instead: temporary, of: output) ?? error
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    StepProgress.finish(
      "wrote \(output.relativePath), \(size(of: output)), in \(ProgressDisplay.duration(seconds))")
  }

  /// `5 files, 1.2 MB`.
  private static func size(of output: URL) -> String {
    let files = FileManager.default
    let inside = (try? files.subpathsOfDirectory(atPath: output.path)) ?? []
    let paths = inside.isEmpty ? [output.path] : inside.map { "\(output.path)/\($0)" }
    let bytes = paths.reduce(0) { sum, path in
      sum + (((try? files.attributesOfItem(atPath: path))?[.size] as? NSNumber)?.intValue ?? 0)
    }
    let megabytes = String(format: "%.2f MB", Double(bytes) / 1e6)
    return inside.isEmpty ? megabytes : "\(inside.count) files, \(megabytes)"
  }
}

/// An error in the words of the user, who knows nothing of the temporary folder it happened in.
struct RenamedFolderError: Error, CustomStringConvertible {
  let cause: any Error
  let description: String

  /// - Parameters:
  ///   - cause: What went wrong; nil comes of one that does not name the folder.
  ///   - temporary: Its name gives way to that of `output`.
  ///   - output: What was to be written: the folder, or a file of that name in it.
  init?(_ cause: any Error, instead temporary: URL, of output: URL) {
    let (folder, name) = (temporary.lastPathComponent, output.lastPathComponent)
    let text = ErrorText.line(cause)
    guard text.contains(folder) else { return nil }
    self.cause = cause
    description =
      text.replacingOccurrences(of: "\(folder)/\(name)", with: name)
      .replacingOccurrences(of: folder, with: name)
  }
}

/// On a terminal, one line that says how far a single step is; elsewhere only its last words.
enum StepProgress {
  private static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  @Sendable static func show(_ fraction: Double, _ note: String) {
    guard isTerminal else { return }
    let percent = Int((fraction * 100).rounded())
    FileHandle.standardError.write(Data("\r\u{1B}[K\(percent) %  \(note)".utf8))
  }

  /// Takes the line away and says what came of the step.
  static func finish(_ summary: String? = nil) {
    let line = summary.map { "\($0)\n" } ?? ""
    FileHandle.standardError.write(Data(((isTerminal ? "\r\u{1B}[K" : "") + line).utf8))
  }
}
