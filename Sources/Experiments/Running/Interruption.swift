import Dispatch
import Foundation

/// Ctrl-C and SIGTERM: removes this process's temporary folders and leaves with code 130.
///
/// Nothing is finished half and nothing needs to be: what is complete was renamed into place, the
/// rest is done by the next run, and the kernel releases the claims.
public enum Interruption {
  /// Listens until the process ends. Call it once, before the first stage runs.
  public static func install() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        Temporaries.shared.removeAll()
        let message = "\nInterrupted; the same command goes on from here.\n"
        FileHandle.standardError.write(Data(message.utf8))
        _exit(130)
      }
      source.activate()
      // A source lives as long as somebody holds it; this one lives as long as the process.
      _ = Unmanaged.passRetained(source as AnyObject)
    }
  }
}
