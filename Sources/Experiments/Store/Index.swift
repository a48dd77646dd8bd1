import Foundation
import GRDB

/// `.assay/index.sqlite`: run folders as tables, for questions across runs.
///
/// Nothing is only here. One process at a time writes, under a lock beside the file; the rollback
/// journal is used instead of WAL, which has a corruption bug in the SQLite of many distributions.
public struct Index: Sendable {
  /// `ASSY`.
  static let applicationID: Int32 = 0x4153_5359

  let workspace: Workspace

  public init(_ workspace: Workspace) { self.workspace = workspace }

  /// Reads; the connection cannot write.
  ///
  /// - Throws: ``StoreError/noIndex(path:)`` before anything was run,
  ///   ``StoreError/damagedIndex(path:cause:)``.
  public func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    guard FileManager.default.fileExists(atPath: workspace.index.path) else {
      throw StoreError.noIndex(path: workspace.index.path)
    }
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(10)
    return try explainingDamage {
      let queue = try DatabaseQueue(path: workspace.index.path, configuration: configuration)
      return try queue.read { database in
        try check(database)
        return try body(database)
      }
    }
  }

  /// Brings the rows of these runs in line with their folders.
  func record(_ folders: [RunFolder]) throws {
    try write { database in
      for folder in folders { try IndexedRun(folder)?.save(in: database) }
      // What a run no longer says must not outlive it: the index equals a rebuilt one.
      try database.execute(
        sql: "DELETE FROM metric_definition WHERE id NOT IN (SELECT definition FROM metric)")
    }
  }

  private func write(_ body: (Database) throws -> Void) throws {
    try FileLock.waiting(workspace.indexLock) {
      var configuration = Configuration()
      configuration.foreignKeysEnabled = true
      configuration.busyMode = .timeout(10)
      configuration.prepareDatabase { database in
        try database.execute(
          sql: """
            PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0
            """)
      }
      try explainingDamage {
        let queue = try DatabaseQueue(path: workspace.index.path, configuration: configuration)
        try queue.read(check)
        try IndexSchema.migrator.migrate(queue)
        try queue.write(body)
        try queue.close()
      }
    }
  }

  private func check(_ database: Database) throws {
    let path = workspace.index.path
    let identifier = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
    guard identifier == Self.applicationID || (identifier == 0 && tables == 0) else {
      throw StoreError.foreignDatabase(path: path)
    }
    guard try !IndexSchema.migrator.hasBeenSuperseded(database) else {
      throw StoreError.newerIndex(path: path)
    }
  }
}
