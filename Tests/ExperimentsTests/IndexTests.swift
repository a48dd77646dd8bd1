import Foundation
import GRDB
import Testing

@testable import Experiments

@Suite struct IndexTests {
  /// Every row of every table as text, sorted.
  static func dump(_ workspace: Workspace) throws -> [String] {
    try Index(workspace).read { database in
      let tables = try String.fetchAll(
        database,
        sql: """
          SELECT name FROM sqlite_master
          WHERE type = 'table' AND name NOT LIKE 'grdb%' AND name NOT LIKE 'sqlite%' ORDER BY name
          """)
      return try tables.flatMap { table in
        try Row.fetchAll(database, sql: "SELECT * FROM \"\(table)\"")
          .map { "\(table) \($0.databaseValues.map(\.description))" }.sorted()
      }
    }
  }

  @Test("an index rebuilt from the files equals the one written while running")
  func rebuilt() throws {
    let bench = try Bench()
    defer { bench.remove() }
    try bench.run(try bench.spec(Bench.grid))
    let written = try Self.dump(bench.workspace)
    #expect(written.count > 13 * 8)
    try FileManager.default.removeItem(at: bench.workspace.index)
    #expect(try bench.engine.reindex() == 13)
    #expect(try Self.dump(bench.workspace) == written)
    #expect(try bench.engine.reindex() == 13)
    #expect(try Self.dump(bench.workspace) == written)
  }

  @Test("results come back with labels, seeds, metrics and ledgers")
  func rows() throws {
    let bench = try Bench()
    defer { bench.remove() }
    try bench.run(try bench.spec(Bench.grid))
    let index = Index(bench.workspace)
    #expect(try index.experiments() == ["trial"])
    #expect(try index.results(of: "other").isEmpty)
    let rows = try index.results(of: "trial")
    #expect(rows.count == 13)
    let row = try #require(rows.last)
    #expect(row.axes.map(\.label) == ["random", "3"])
    #expect(row.axes.read(besides: row.aliases) == row.axes)
    let full = try #require(rows.first { $0.axes[0].label == "full precision" })
    #expect(full.axes.read(besides: full.aliases).map(\.axis) == ["method"])
    #expect(row.seeds == ["calibration": 1, "search": 1])
    #expect(row.metrics.map(\.name) == ["bits-per-byte", "perplexity"])
    #expect(row.metrics.map(\.value) == [nil, 3])
    #expect(row.metrics[0].special == "nan")
    #expect(row.ledgers == ["expert-code-bits": 3])
  }

  @Test(
    "the tables refuse wrong types, unknown words and rows of unknown runs",
    arguments: [
      "INSERT INTO ledger SELECT id, 'x', 'three' FROM run",
      "INSERT INTO seed SELECT id, 'x', 1.5 FROM run",
      "INSERT INTO metric SELECT run, definition, NULL, NULL, 1 FROM metric",
      "UPDATE metric SET special = 'infinite' WHERE special = 'nan'",
      "UPDATE run SET state = 'running'",
      "UPDATE run SET parameters = '{'",
      "INSERT INTO ledger VALUES ('nobody', 'x', 1)",
    ])
  func strict(sql: String) throws {
    let bench = try Bench()
    defer { bench.remove() }
    try bench.run(try bench.spec(""))
    let queue = try DatabaseQueue(path: bench.workspace.index.path)
    #expect(throws: DatabaseError.self) { try queue.write { try $0.execute(sql: sql) } }
  }

  @Test("a damaged index says so, and is rebuilt", arguments: [5000, 100, 3])
  func damaged(bytes: Int) throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(Bench.grid)
    try bench.run(spec)
    let written = try Self.dump(bench.workspace)
    let index = Index(bench.workspace)
    #expect(try index.damage() == nil)
    let handle = try FileHandle(forWritingTo: bench.workspace.index)
    try handle.truncate(atOffset: UInt64(bytes))
    try handle.close()
    for command in [{ _ = try index.results(of: "trial") }, { _ = try bench.run(spec) }] {
      let error = #expect(throws: StoreError.self) { try command() }
      #expect(error?.description.contains("assay reindex") ?? false, "\(error as Any)")
    }
    #expect(try index.damage() != nil)
    #expect(try bench.engine.reindex() == 13)
    #expect(try Self.dump(bench.workspace) == written)
    #expect(try bench.run(spec).unchanged == 13)
    let left = try FileManager.default.contentsOfDirectory(atPath: bench.workspace.root.path)
    #expect(left.allSatisfy { !$0.contains("tmp") })
  }

  @Test("readers cannot write")
  func readOnly() throws {
    let bench = try Bench()
    defer { bench.remove() }
    try bench.run(try bench.spec(""))
    #expect(throws: DatabaseError.self) {
      try Index(bench.workspace).read { try $0.execute(sql: "DELETE FROM run") }
    }
  }

  @Test("another program's database, a newer index and a missing one are refused with a sentence")
  func foreign() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let index = Index(bench.workspace)
    #expect(throws: StoreError.noIndex(path: bench.workspace.index.path)) {
      try index.experiments()
    }
    try bench.run(try bench.spec(""))
    let queue = try DatabaseQueue(path: bench.workspace.index.path)
    try queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9 later')") }
    #expect(throws: StoreError.newerIndex(path: bench.workspace.index.path)) {
      try index.experiments()
    }
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA application_id = 7") }
    #expect(throws: StoreError.foreignDatabase(path: bench.workspace.index.path)) {
      try bench.engine.reindex()
    }
  }
}
