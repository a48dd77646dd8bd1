import Foundation
import JSON

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

  /// The spec of an experiment as it was run last.
  func spec(of experiment: String) -> URL {
    root.appending(path: "experiments").appending(path: "\(experiment).json")
  }

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

extension Workspace {
  /// The results that are there and cannot be read.
  ///
  /// - Parameter experiment: Only runs of this one; nil: of all.
  /// - Returns: One ``StoreError/damagedResult(path:reason:)`` a run, sorted by its name.
  /// - Throws: What listing the runs throws.
  public func damagedResults(of experiment: String? = nil) throws -> [StoreError] {
    try allRuns().filter { run in
      experiment.map { (try? run.point())?.experiment == $0 } ?? true
    }.compactMap { $0.damage() }
  }

  /// Remembers which runs belong to an experiment as it stands; others of its name are of earlier
  /// versions of the spec.
  func record(_ spec: ExperimentSpec) throws {
    let file = self.spec(of: spec.name)
    let data = Data(PrettyJSON.text(spec.document, sortingKeys: false).utf8)
    guard (try? Data(contentsOf: file)) != data else { return }
    try DurableFile.makeFolder(file.deletingLastPathComponent())
    try DurableFile.write(data, to: file)
  }

  /// The spec of an experiment as it was run last in this workspace, nil if that is not known; its
  /// paths have lost their folder.
  public func lastSpec(of experiment: String) -> ExperimentSpec? {
    guard let data = try? Data(contentsOf: spec(of: experiment)),
      let document = try? JSONParser.parse(data)
    else { return nil }
    return try? ExperimentSpec(document: document, folder: root)
  }
}
