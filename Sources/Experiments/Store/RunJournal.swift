import Foundation
import JSON

/// `events.jsonl`: what happened to a run, one JSON object a line, only ever appended to.
public struct RunJournal: Sendable {
  public let file: URL

  /// One line.
  public struct Event: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable {
      case started, stage, finished, failed, relabelled
    }

    public var kind: Kind
    public var time: String
    public var process: Int32
    public var stage: String?
    public var key: String?
    public var cached: Bool?
    public var seconds: Double?
    public var error: String?
    /// Digest of everything the run is made from; a failed run is tried again when it changes.
    public var recipe: String?

    init(_ kind: Kind) {
      self.kind = kind
      time = Date.now.formatted(.iso8601)
      process = getpid()
    }
  }

  /// The readable events; a torn or foreign line is passed over.
  public func events() -> [Event] {
    guard let data = try? Data(contentsOf: file) else { return [] }
    return data.split(separator: UInt8(ascii: "\n")).compactMap { line in
      try? JSONParser.parse(Data(line)).decoded(as: Event.self)
    }
  }

  /// How the run stands: the last event that begins or ends an attempt.
  public var lastOutcome: Event? {
    events().last { [.started, .finished, .failed].contains($0.kind) }
  }

  /// Appends one line and syncs it, after cutting off a line that a kill left half written.
  ///
  /// Call it holding the run's lock.
  func append(_ event: Event) throws {
    let line = CanonicalJSON.text(try JSONValue(encoding: event)) + "\n"
    let descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw StoreError.system(operation: "opening", path: file.path, code: errno)
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let written = try handle.readToEnd() ?? Data()
    let whole = written.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    if whole < written.count { try handle.truncate(atOffset: UInt64(whole)) }
    try handle.seek(toOffset: UInt64(whole))
    try handle.write(contentsOf: Data(line.utf8))
    try handle.synchronize()
  }
}
