import Foundation

extension ArtifactStore {
  /// Moves a damaged artifact out of the way; returns its new name.
  func setAside(stage: String, key: String) throws -> String {
    let folder = folder(stage: stage, key: key)
    let name = "\(key).damaged-\(DurableFile.uniqueSuffix())"
    try DurableFile.rename(folder, to: folder.deletingLastPathComponent().appending(path: name))
    return name
  }

  /// Removes what builders of this key left when they died. Call it holding the key's lock.
  func removeTemporaries(stage: String, key: String) throws {
    let folder = root.appending(path: stage)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where name.hasPrefix("\(key).tmp-") {
      try FileManager.default.removeItem(at: folder.appending(path: name))
    }
  }

  /// Removes the temporary folders of dead processes: those whose key nobody holds.
  public func removeStaleTemporaries() throws {
    let stages = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
    for stage in stages.sorted() {
      let folder = root.appending(path: stage)
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      for key in Set(names.compactMap(Self.temporaryKey)) {
        _ = try FileLock.ifFree(lockFile(stage: stage, key: key)) {
          try removeTemporaries(stage: stage, key: key)
        }
      }
    }
  }

  /// The key in `<key>.tmp-<suffix>`.
  private static func temporaryKey(_ name: String) -> String? {
    name.firstRange(of: ".tmp-").map { String(name[..<$0.lowerBound]) }
  }
}
