import Foundation

/// The folder `.assay` that holds artifacts, runs and the index.
public struct Workspace: Sendable, Equatable {
  public let root: URL

  /// - Parameter root: The `.assay` folder itself; made when something is written.
  public init(root: URL) { self.root = root.absoluteURL.standardizedFileURL }

  /// `.assay` in the current directory.
  public static var current: Workspace {
    Workspace(root: URL(filePath: FileManager.default.currentDirectoryPath + "/.assay"))
  }

  public var artifacts: URL { root.appending(path: "artifacts") }
  public var runs: URL { root.appending(path: "runs") }
  public var index: URL { root.appending(path: "index.sqlite") }
  var indexLock: URL { root.appending(path: "index.lock") }
  var digestCache: URL { root.appending(path: "digests.json") }

  /// The folder of a run.
  public func run(_ id: String) -> RunFolder { RunFolder(url: runs.appending(path: id)) }

  /// Every run folder, sorted by name.
  public func allRuns() throws -> [RunFolder] {
    guard FileManager.default.fileExists(atPath: runs.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: runs.path).sorted()
      .map { RunFolder(url: runs.appending(path: $0)) }
      .filter { FileManager.default.fileExists(atPath: $0.pointFile.path) }
  }
}
