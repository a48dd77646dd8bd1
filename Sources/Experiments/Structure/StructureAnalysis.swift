/// What a structure table says: where bits are worth most, what explains it, which sensitivity to
/// trust, and whether losses add up.
public struct StructureAnalysis: Sendable {
  let table: StructureTable

  public init(_ table: StructureTable) { self.table = table }

  /// All tables and pictures; those whose parts were not measured are left out.
  ///
  /// - Throws: ``StatisticsError`` for numbers that no statistic takes.
  public func result() throws -> AnalysisResult {
    let tables =
      try gainTables() + contrastTables() + regressionTables() + proxyTables()
      + additivityTables()
    return AnalysisResult(tables: tables.filter { !$0.rows.isEmpty }, figures: figures())
  }

  /// Nats of every window, tokens counted: what statistics over windows are made of.
  func nats(_ row: Int, level: Int) -> [Double] {
    zip(table.windowDivergences(row, level: level), table.windowTokens).map { $0 * Double($1) }
  }

  var tokensPerWindow: [Double] { table.windowTokens.map { Double($0) } }

  /// 3, or 2.5.
  func bits(_ level: Int) -> String {
    let bits = table.levels[level]
    return bits == bits.rounded() ? "\(Int(bits))" : "\(bits)"
  }

  var sample: String {
    "\(table.windows) windows, \(table.tokens) tokens"
  }
}
