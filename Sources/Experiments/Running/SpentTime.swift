import Foundation
import JSON
import Synchronization

/// Time that a stage takes, together with that of earlier attempts whose work it goes on with.
///
/// The seconds lie beside what the stage keeps, so that they are forgotten together.
final class SpentTime: Sendable {
  static let fileName = "spent.json"
  /// Seconds between two writes.
  private static let interval = 0.1

  private let folder: URL
  /// Of earlier attempts.
  private let before: Double
  private let start = ContinuousClock.now
  private let written = Mutex(0.0)

  /// - Parameter folder: What the stage keeps; need not be there.
  init(in folder: URL) {
    self.folder = folder
    let data = FileManager.default.contents(atPath: folder.appending(path: Self.fileName).path)
    let found = data.flatMap { try? JSONParser.parse($0) }?["seconds"]?.doubleValue ?? 0
    before = found.isFinite ? max(found, 0) : 0
  }

  /// Of all attempts until now.
  var seconds: Double { before + (ContinuousClock.now - start) / .seconds(1) }

  /// Writes them down if the stage has kept something.
  ///
  /// - Returns: The seconds.
  func keep() -> Double {
    let seconds = seconds
    written.withLock { last in
      guard seconds - last >= Self.interval,
        FileManager.default.fileExists(atPath: folder.path)
      else { return }
      last = seconds
      let json = PrettyJSON.data(["seconds": JSONValue(seconds)])
      // Lost, it makes the stage seem cheaper, which is no reason to stop.
      try? json.write(to: folder.appending(path: Self.fileName), options: .atomic)
    }
    return seconds
  }
}
