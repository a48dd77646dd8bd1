import GRDB

/// Version of the linked SQLite.
public var sqliteVersion: String {
  (try? DatabaseQueue().read { try String.fetchOne($0, sql: "SELECT sqlite_version()") })
    .flatMap(\.self) ?? "unknown"
}
