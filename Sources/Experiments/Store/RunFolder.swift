import Foundation
import JSON

/// `.assay/runs/<run-id>/`: everything about one run, readable without any database.
public struct RunFolder: Sendable {
  public let url: URL

  public var id: String { url.lastPathComponent }
  public var pointFile: URL { url.appending(path: "point.json") }
  public var resultFile: URL { url.appending(path: "result.json") }
  public var logFile: URL { url.appending(path: "log.txt") }
  public var journal: RunJournal { RunJournal(file: url.appending(path: "events.jsonl")) }
  var lockFile: URL { url.appending(path: "lock") }

  /// Where a stage keeps what it needs to go on after a crash.
  func recovery(stage: String, key: String) -> URL {
    url.appending(path: "recovery", directoryHint: .isDirectory)
      .appending(path: "\(stage)-\(key.prefix(16))", directoryHint: .isDirectory)
  }

  /// `point.json`, written before anything is computed.
  public func point() throws -> RunPoint {
    try JSONParser.parse(FileContents.read(pointFile)).decoded(as: RunPoint.self)
  }

  /// `result.json`, nil if there is none or it does not parse; ``damage()`` tells which.
  public func result() -> RunResult? { try? readResult() }

  /// Why the result that is there cannot be read, naming the file; nil if all is well or there is none.
  ///
  /// Such a run counts as not done: the next execution does it again, says so, and replaces the file.
  public func damage() -> StoreError? {
    do {
      _ = try readResult()
      return nil
    } catch { return .damagedResult(path: resultFile.path, reason: ErrorText.line(error)) }
  }

  /// nil if there is no file.
  private func readResult() throws -> RunResult? {
    guard FileManager.default.fileExists(atPath: resultFile.path) else { return nil }
    return try JSONParser.parse(FileContents.read(resultFile)).decoded(as: RunResult.self)
  }

  func write(_ point: RunPoint) throws {
    let data = PrettyJSON.data(try JSONValue(encoding: point))
    guard (try? Data(contentsOf: pointFile)) != data else { return }
    try DurableFile.write(data, to: pointFile)
  }

  func write(_ result: RunResult) throws {
    try DurableFile.write(PrettyJSON.data(try JSONValue(encoding: result)), to: resultFile)
  }

  func log(_ line: String) {
    let text = "\(Date.now.formatted(.iso8601)) \(line)\n"
    let descriptor = open(logFile.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try? handle.write(contentsOf: Data(text.utf8))
  }
}

/// What a run is: a point and its seeds, as `point.json` keeps it.
public struct RunPoint: Codable, Sendable, Equatable {
  public var schemaVersion: Int
  public var run: String
  public var experiment: String
  public var spec: String
  public var axes: [AxisLabel]
  /// Other combinations of labels that are the same run.
  public var aliases: [[AxisLabel]]
  public var seeds: [String: Int]
  public var parameters: JSONValue

  init(_ run: PlannedRun, of spec: ExperimentSpec) {
    schemaVersion = 1
    self.run = run.id
    experiment = spec.name
    self.spec = spec.digest
    axes = run.point.axes
    aliases = run.point.aliases
    seeds = Dictionary(uniqueKeysWithValues: run.seeds.map { ($0.key.rawValue, $0.value) })
    parameters = run.point.parameters.json
  }
}
