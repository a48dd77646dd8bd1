import Foundation
import GRDB

/// One run of an experiment as the index knows it.
public struct ResultRow: Codable, Sendable, Equatable {
  public var run: String
  public var state: String
  public var error: String?
  public var axes: [AxisLabel]
  /// Other combinations of labels that are the same run.
  public var aliases: [[AxisLabel]]
  public var seeds: [String: Int]
  public var metrics: [MetricValue]
  public var ledgers: [String: Double]

  /// A number with the definition that it may be compared under.
  public struct MetricValue: Codable, Sendable, Equatable {
    public var definition: String
    public var name: String
    public var scope: String
    public var value: Double?
    public var special: String?
    public var items: Int
    /// See ``Metric/interval``.
    public var low: Double?
    public var high: Double?
  }
}

extension Index {
  /// Names of the experiments that have runs, sorted.
  public func experiments() throws -> [String] {
    try read { try String.fetchAll($0, sql: "SELECT name FROM experiment ORDER BY name") }
  }

  /// The runs of an experiment, sorted by labels and seeds; every experiment's for nil.
  public func results(of experiment: String?) throws -> [ResultRow] {
    try read { database in
      let runs = try Row.fetchAll(
        database,
        sql: """
          SELECT id, state, error FROM run WHERE :name IS NULL OR experiment = :name
          ORDER BY experiment, id
          """, arguments: ["name": experiment])
      return try runs.map { try resultRow($0, in: database) }.sorted { a, b in
        (a.axes.map(\.label) + a.seeds.sorted { $0.key < $1.key }.map { "\($0.value)" })
          .lexicographicallyPrecedes(
            b.axes.map(\.label) + b.seeds.sorted { $0.key < $1.key }.map { "\($0.value)" })
      }
    }
  }

  private func resultRow(_ row: Row, in database: Database) throws -> ResultRow {
    let run: String = row["id"]
    let labels = try Row.fetchAll(
      database,
      sql: """
        SELECT combination, axis, label FROM axis_label WHERE run = ?
        ORDER BY combination, position
        """, arguments: [run])
    let combinations = Dictionary(grouping: labels) { $0["combination"] as Int }
      .sorted { $0.key < $1.key }
      .map { $0.value.map { AxisLabel(axis: $0["axis"], label: $0["label"]) } }
    let seeds = try Row.fetchAll(
      database, sql: "SELECT stream, value FROM seed WHERE run = ?", arguments: [run])
    let ledgers = try Row.fetchAll(
      database, sql: "SELECT name, value FROM ledger WHERE run = ?", arguments: [run])
    return ResultRow(
      run: run, state: row["state"], error: row["error"],
      axes: combinations.first ?? [], aliases: Array(combinations.dropFirst()),
      seeds: Dictionary(uniqueKeysWithValues: seeds.map { ($0["stream"], $0["value"]) }),
      metrics: try metrics(of: run, in: database),
      ledgers: Dictionary(uniqueKeysWithValues: ledgers.map { ($0["name"], $0["value"]) }))
  }

  private func metrics(of run: String, in database: Database) throws -> [ResultRow.MetricValue] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT definition, name, scope, value, special, items, low, high
        FROM metric JOIN metric_definition ON definition = id
        WHERE run = ? ORDER BY name, scope, definition
        """, arguments: [run]
    ).map { row in
      ResultRow.MetricValue(
        definition: row["definition"], name: row["name"], scope: row["scope"],
        value: row["value"], special: row["special"], items: row["items"], low: row["low"],
        high: row["high"])
    }
  }
}
