import Foundation

/// A generated file of the reports folder.
public struct ReportFile: Sendable, Equatable {
  /// Relative to the reports folder, with `/`.
  public var path: String
  public var contents: Data

  public init(path: String, contents: Data) {
    self.path = path
    self.contents = contents
  }
}

/// The folder `reports/`, whose files are generated and never edited.
public struct ReportFolder: Sendable {
  public let url: URL

  public init(_ url: URL) { self.url = url }

  /// Where the data of an experiment stands.
  public func data(of experiment: String) -> URL {
    url.appendingPathComponent("data/\(experiment).json")
  }

  /// Writes the files whose content changed, each atomically.
  ///
  /// - Returns: The paths written, in the order of `files`.
  public func write(_ files: [ReportFile]) throws -> [String] {
    let changed = drift(of: files)
    for file in files where changed.contains(file.path) {
      let target = url.appendingPathComponent(file.path)
      try FileManager.default.createDirectory(
        at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
      try file.contents.write(to: target, options: .atomic)
    }
    return changed
  }

  /// The paths that are absent or hold other bytes, in the order of `files`.
  public func drift(of files: [ReportFile]) -> [String] {
    files.filter { file in
      (try? Data(contentsOf: url.appendingPathComponent(file.path))) != file.contents
    }.map(\.path)
  }
}
