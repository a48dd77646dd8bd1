import Foundation
import GRDB

extension Index {
  /// Writes the index anew from the run folders, whatever state it is in; returns the number of runs.
  ///
  /// The new file is finished beside the old one and renamed over it.
  ///
  /// - Throws: ``StoreError/foreignDatabase(path:)``, ``StoreError/newerIndex(path:)`` for a file that
  ///   is readable and not ours to replace.
  public func rebuild() throws -> Int {
    let runs = try workspace.allRuns().compactMap { try IndexedRun($0) }
    try FileLock.waiting(workspace.indexLock) {
      do { try checkIfPresent() } catch StoreError.damagedIndex {}
      let temporary = workspace.root.appending(path: "index.tmp-\(DurableFile.uniqueSuffix())")
      defer { Self.remove(temporary) }
      try fill(temporary, with: runs)
      try DurableFile.sync(temporary)
      // A journal of the old file would be played back into the new one.
      Self.remove(Self.journal(of: workspace.index))
      try DurableFile.rename(temporary, to: workspace.index)
    }
    return runs.count
  }

  private func fill(_ file: URL, with runs: [IndexedRun]) throws {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = true
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA journal_mode = MEMORY") }
    let queue = try DatabaseQueue(path: file.path, configuration: configuration)
    try IndexSchema.migrator.migrate(queue)
    try queue.write { database in
      for run in runs { try run.save(in: database) }
    }
    try queue.close()
  }

  private static func journal(of file: URL) -> URL { URL(filePath: file.path + "-journal") }

  private static func remove(_ file: URL) { try? FileManager.default.removeItem(at: file) }
}

// MARK: - Integrity

extension Index {
  /// Reads every page of the index; nil if all is well, also where there is none yet.
  ///
  /// - Throws: ``StoreError/foreignDatabase(path:)``, ``StoreError/newerIndex(path:)``.
  public func damage() throws -> StoreError? {
    do {
      try checkIfPresent("PRAGMA integrity_check")
      return nil
    } catch let error as StoreError {
      guard case .damagedIndex = error else { throw error }
      return error
    }
  }

  /// Refuses an index that cannot be used; does nothing where there is none.
  func checkIfPresent(_ pragma: String = "PRAGMA quick_check") throws {
    guard FileManager.default.fileExists(atPath: workspace.index.path) else { return }
    let findings = try read { try String.fetchAll($0, sql: pragma) }
    guard findings == ["ok"] else {
      throw StoreError.damagedIndex(
        path: workspace.index.path, cause: findings.first ?? "it cannot be checked")
    }
  }

  /// Turns SQLite's words for a damaged file into ours.
  func explainingDamage<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as DatabaseError
      where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode)
    {
      throw StoreError.damagedIndex(
        path: workspace.index.path, cause: error.message ?? "not readable")
    }
  }
}
