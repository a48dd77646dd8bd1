import Foundation
import JSON
import Synchronization

/// Content digests of files outside the store, remembered so that a model is hashed once.
///
/// A remembered digest is believed while path, size, inode, modification and change time are the
/// same. Losing the memory costs time only: it is an accelerator, never a source.
public final class FileDigests: Sendable {
  private struct Entry: Codable, Equatable {
    var stamp: String
    var digest: String
  }

  /// A file changed so recently may change again within one tick of the clock.
  private static let settlingSeconds = 2

  private let cacheFile: URL?
  private let entries: Mutex<[String: Entry]>

  /// - Parameter cacheFile: nil: nothing is remembered.
  public init(cacheFile: URL?) {
    self.cacheFile = cacheFile
    self.entries = Mutex(Self.load(cacheFile))
  }

  /// SHA-256 of the content of a file.
  public func digest(of file: URL) throws -> String {
    let (stamp, isSettled) = try Self.stamp(of: file)
    if let entry = entries.withLock({ $0[file.path] }), entry.stamp == stamp {
      return entry.digest
    }
    let digest = try Digest.of(file: file)
    let (after, _) = try Self.stamp(of: file)
    if isSettled, after == stamp { remember(Entry(stamp: stamp, digest: digest), of: file) }
    return digest
  }

  /// One digest over the contents of named files of a folder.
  public func digest(of folder: URL, files: [String]) throws -> String {
    let members = try Set(files).sorted().map { name in
      (name, JSONValue(try digest(of: folder.appending(path: name))))
    }
    return Digest.of(CanonicalJSON.data(.object(JSONObject(members))))
  }

  /// The digest of a model folder: what runs record as their input `model`.
  ///
  /// - Parameter folder: With configuration, weights and tokenizer, which are read as a whole.
  /// - Returns: In hexadecimal.
  /// - Throws: What reading the files throws.
  public static func model(_ folder: URL) throws -> String {
    guard case .folder(let folder, let files) = try StageSource.model(folder) else {
      preconditionFailure("a model is a folder")
    }
    return try FileDigests(cacheFile: nil).digest(of: folder, files: files)
  }

  private func remember(_ entry: Entry, of file: URL) {
    entries.withLock { entries in
      // Another process may have added to the file; neither side's knowledge is lost.
      entries.merge(Self.load(cacheFile)) { mine, _ in mine }
      entries[file.path] = entry
      save(entries)
    }
  }

  private func save(_ entries: [String: Entry]) {
    guard let cacheFile, let json = try? JSONValue(encoding: entries) else { return }
    try? DurableFile.makeFolder(cacheFile.deletingLastPathComponent())
    try? DurableFile.write(PrettyJSON.data(json), to: cacheFile)
  }

  private static func load(_ file: URL?) -> [String: Entry] {
    guard let file, let data = try? Data(contentsOf: file), let json = try? JSONParser.parse(data)
    else {
      return [:]
    }
    return (try? json.decoded(as: [String: Entry].self)) ?? [:]
  }

  private static func stamp(of file: URL) throws -> (text: String, isSettled: Bool) {
    let stamp = try FileStamp(of: file)
    return (stamp.text, time(nil) - stamp.changed >= settlingSeconds)
  }
}
