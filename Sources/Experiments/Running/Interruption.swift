import Dispatch
import Foundation

/// Ctrl-C and SIGTERM: removes this process's temporary folders and leaves with code 130.
///
/// Nothing is finished half and nothing needs to be: what is complete was renamed into place, and the
/// kernel releases the claims.
public enum Interruption {
  /// Listens until the process ends. Call it once, before the first stage runs.
  ///
  /// - Parameter sentence: What to tell the user on the way out.
  public static func install(
    saying sentence: String = "Interrupted; the same command goes on from here."
  ) {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        Temporaries.shared.removeAll()
        FileHandle.standardError.write(Data("\n\(sentence)\n".utf8))
        _exit(130)
      }
      source.activate()
      // A source lives as long as somebody holds it; this one lives as long as the process.
      _ = Unmanaged.passRetained(source as AnyObject)
    }
  }

  /// Runs `body` with a folder of its own, which is gone afterwards, interrupted or not.
  public static func withTemporaryFolder<Result>(
    _ folder: URL, _ body: (URL) throws -> Result
  ) throws -> Result {
    Temporaries.shared.insert(folder)
    defer {
      try? FileManager.default.removeItem(at: folder)
      Temporaries.shared.remove(folder)
    }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    return try body(folder)
  }
}
