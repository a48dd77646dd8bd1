import Experiments

/// Resolves what a spec names against what the runs hold.
struct QuantityCatalog {
  private let rows: [ReportRow]
  private let definitions: [String: MetricDefinition]
  /// The definitions that the shown runs use, in the order of the data.
  private let shown: [MetricDefinition]
  /// Only a complete experiment tells which names exist.
  private let isComplete: Bool

  /// - Parameters:
  ///   - data: All runs, which say what names exist.
  ///   - groups: What is shown, which says in what units.
  init(_ data: ReportData, showing groups: [PointGroup]) {
    rows = data.rows
    isComplete = data.missing.isEmpty && !data.rows.isEmpty
    let used = Set(groups.flatMap(\.rows).flatMap(\.metrics).map(\.definition))
    shown = data.definitions.filter { used.contains($0.id) }.map(\.definition)
    definitions = Dictionary(
      data.definitions.map { ($0.id, $0.definition) }, uniquingKeysWith: { first, _ in first })
  }

  /// The quantities of a column: several for a metric of scope `*`.
  func quantities(for column: ColumnSpec) throws(SpecError) -> [Quantity] {
    var quantities = try unstyled(column)
    for index in quantities.indices {
      if let title = column.title { quantities[index].name = title }
      if let digits = column.digits { quantities[index].digits = .decimals(digits, exactly: true) }
    }
    return column.showsItemError ? quantities.flatMap { [$0, $0.itemError] } : quantities
  }

  /// What `row` gave for a quantity; nil if it was not measured.
  func reading(of quantity: Quantity, in row: ReportRow) -> Reading? {
    switch quantity.source {
    case .ledger(let name): row.ledgers[name].map { .finite($0 * quantity.scale) }
    case .count(let name): row.counts[name].map { .finite(Double($0)) }
    case .cost(let cost, let stages):
      cost.total(of: row.stages.filter { stages?.contains($0.name) ?? true })
        .map { .finite($0 * quantity.scale) }
    case .metric(let name, let scope):
      metric(name, scope, in: row).map { metric in
        metric.value.map { .finite($0 * quantity.scale) } ?? .special(metric.special ?? "nan")
      }
    case .itemError(let name, let scope):
      metric(name, scope, in: row)?.itemError.map { .finite($0 * quantity.scale) }
    }
  }

  /// Where a metric may lie by its own repeats, in the printed unit; nil for what is computed once.
  func interval(of quantity: Quantity, in row: ReportRow) -> MetricInterval? {
    guard case .metric(let name, let scope) = quantity.source,
      let interval = metric(name, scope, in: row)?.interval
    else { return nil }
    return MetricInterval(
      lower: interval.lower * quantity.scale, upper: interval.upper * quantity.scale)
  }

  /// Refuses a metric that `rows` measured by two definitions.
  func checkDefinition(
    of quantity: Quantity, in rows: [ReportRow], table: String
  ) throws(ReportError) {
    guard let (name, scope) = quantity.source.metric else { return }
    let ids = rows.compactMap { metric(name, scope, in: $0)?.definition }
    guard let first = ids.first, let second = ids.first(where: { $0 != first }) else { return }
    throw .differentDefinitions(
      table: table, metric: name, scope: scope, first: first, second: second)
  }

  /// The id and the definition by which `rows` measured a quantity; nil for what is no metric.
  func definition(
    of quantity: Quantity, in rows: [ReportRow]
  ) -> (id: String, definition: MetricDefinition)? {
    guard let id = definitions(of: quantity, in: rows).min(), let known = definitions[id] else {
      return nil
    }
    return (id, known)
  }

  /// Ids of the definitions by which `rows` measured a quantity.
  func definitions(of quantity: Quantity, in rows: [ReportRow]) -> Set<String> {
    guard let (name, scope) = quantity.source.metric else { return [] }
    return Set(rows.compactMap { metric(name, scope, in: $0)?.definition })
  }

  private func metric(_ name: String, _ scope: String, in row: ReportRow) -> ReportMetric? {
    row.metrics.first {
      definitions[$0.definition]?.name == name && definitions[$0.definition]?.scope == scope
    }
  }

  private func unstyled(_ column: ColumnSpec) throws(SpecError) -> [Quantity] {
    switch column.source {
    case .ledger(let name):
      try check(name, "ledger", known: Set(rows.flatMap(\.ledgers.keys)), at: column)
      return [.ledger(name)]
    case .count(let name):
      try check(name, "count", known: Set(rows.flatMap(\.counts.keys)), at: column)
      return [Quantity(source: column.source, name: words(name), digits: .decimals(0))]
    case .cost(let cost, let stages):
      for stage in stages ?? [] {
        try check(stage, "stages", known: Set(rows.flatMap(\.stages).map(\.name)), at: column)
      }
      return [.cost(cost, stages: stages)]
    case .metric(let name, let scope), .itemError(let name, let scope):
      return try metrics(name, scope: scope, for: column)
    }
  }

  private func metrics(
    _ name: String, scope: String, for column: ColumnSpec
  ) throws(SpecError) -> [Quantity] {
    try check(name, "metric", known: Set(definitions.values.map(\.name)), at: column)
    let scopes = Set(definitions.values.filter { $0.name == name }.map(\.scope))
    if scope != "*" { try check(scope, "scope", known: scopes, at: column) }
    let named = shown.filter { $0.name == name }
    let chosen = scope == "*" ? Self.ordered(Set(named.map(\.scope))) : [scope]
    return chosen.map { scope in
      .metric(name: name, scope: scope, definition: named.first { $0.scope == scope })
    }
  }

  /// By name, the whole last.
  private static func ordered(_ scopes: Set<String>) -> [String] {
    scopes.sorted { ($0 == "all" ? 1 : 0, $0) < ($1 == "all" ? 1 : 0, $1) }
  }

  /// While runs are missing, a name that none of the others has may still come.
  private func check(
    _ name: String, _ key: String, known: Set<String>, at column: ColumnSpec
  ) throws(SpecError) {
    guard isComplete else { return }
    try SpecObject.check(name, among: known.sorted(), at: column.pointer.appending(key))
  }
}

extension QuantitySource {
  /// The metric that is shown, or whose error is.
  var metric: (name: String, scope: String)? {
    switch self {
    case .metric(let name, let scope), .itemError(let name, let scope): (name, scope)
    default: nil
    }
  }
}

extension Quantity {
  /// The standard error of a metric over its items.
  fileprivate var itemError: Quantity {
    guard case .metric(let name, let scope) = source else { return self }
    return Quantity(
      source: .itemError(name: name, scope: scope), name: "\(self.name), item s.e.",
      unit: unit == "%" ? "pp" : unit, scale: scale,
      digits: .significant(2), showsSpread: false)
  }

  /// Bits per weight; a ledger named `…-bytes` in megabytes.
  fileprivate static func ledger(_ name: String) -> Quantity {
    let title = name == "with-metadata" ? "bits with metadata" : words(name)
    guard name.hasSuffix("-bytes") else {
      return Quantity(
        source: .ledger(name), name: title, unit: "bits/weight", digits: .decimals(3),
        hidesSpreadBelowDigits: true)
    }
    return Quantity(
      source: .ledger(name), name: title, unit: "MB", scale: 1e-6, digits: .decimals(3),
      hidesSpreadBelowDigits: true)
  }

  fileprivate static func cost(_ cost: Cost, stages: [String]?) -> Quantity {
    let source = QuantitySource.cost(cost, stages: stages)
    return switch cost {
    case .seconds:
      Quantity(
        source: source, name: "time", unit: "s", digits: .significant(2), showsSpread: false)
    case .forwardTokens:
      Quantity(
        source: source, name: "forward tokens", digits: .decimals(0), showsSpread: false)
    case .peakMemory:
      Quantity(
        source: source, name: "peak memory", unit: "MB", scale: 1e-6, digits: .decimals(0),
        showsSpread: false)
    }
  }

  /// Fractions in percent with one decimal, all others with three.
  fileprivate static func metric(
    name: String, scope: String, definition: MetricDefinition?
  ) -> Quantity {
    let isFraction = definition?.unit == "fraction"
    let isSize = definition?.unit == "bytes"
    let unit = isFraction ? "%" : isSize ? "MB" : definition?.unit
    return Quantity(
      source: .metric(name: name, scope: scope),
      name: scope == "all" ? words(name) : "\(words(name)), \(scope)",
      unit: ["", name, "1"].contains(unit) ? nil : unit,
      direction: definition.map { $0.higherIsBetter ? .higherIsBetter : .lowerIsBetter },
      scale: isFraction ? 100 : isSize ? 1e-6 : 1, digits: .decimals(isFraction ? 1 : 3))
  }
}

extension Cost {
  /// nil if no stage tells.
  fileprivate func total(of stages: [StageCost]) -> Double? {
    guard !stages.isEmpty else { return nil }
    switch self {
    case .seconds: return stages.reduce(0) { $0 + $1.seconds }
    case .peakMemory: return stages.map { Double($0.peakMemoryBytes) }.max()
    case .forwardTokens:
      let tokens = stages.compactMap(\.forwardTokens)
      return tokens.isEmpty ? nil : Double(tokens.reduce(0, +))
    }
  }
}

/// `expert-code-bits` as words.
private func words(_ name: String) -> String {
  name.split(separator: "-").joined(separator: " ")
}
