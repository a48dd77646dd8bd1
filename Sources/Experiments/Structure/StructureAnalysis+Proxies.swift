import Statistics

/// Parts of one type, whose order by measured loss a proxy may or may not find.
private struct PartType {
  let name: String
  let rows: [Int]
}

extension StructureAnalysis {
  /// How well each sensitivity and score orders parts as their measured loss does.
  func proxyTables() throws -> [AnalysisTable] {
    guard let lowest = table.levels.indices.first else { return [] }
    let agreements = try agreements(level: lowest)
    var result = [
      proxyTable("proxies-spearman", "Spearman's ρ", lowest, agreements) { .init($0.spearman) },
      proxyTable("proxies-kendall", "Kendall's τ-b", lowest, agreements) { .init($0.kendall) },
      proxyTable("proxies-top-quarter", "overlap of the top quarters", lowest, agreements) {
        .init($0.topOverlap)
      },
    ]
    for level in table.levels.indices.dropFirst() {
      result.append(
        proxyTable(
          "proxies-spearman-\(bits(level))-bits", "Spearman's ρ", level,
          try self.agreements(level: level)
        ) { .init($0.spearman) })
    }
    return result
  }

  private var types: [PartType] {
    func matrices(_ projection: String) -> [Int] {
      table.places(.matrix).filter { table.rows[$0].projection == projection }
    }
    return [
      PartType(name: "gate", rows: matrices("gate")),
      PartType(name: "up", rows: matrices("up")), PartType(name: "down", rows: matrices("down")),
      PartType(name: "all matrices", rows: table.places(.matrix)),
      PartType(name: "experts", rows: table.places(.expert)),
      PartType(name: "attention", rows: table.places(.attention)),
      PartType(name: "deciles", rows: table.places(.decile)),
    ].filter { $0.rows.count > 3 }
  }

  /// Losses by sensitivity first, then scores that know nothing of levels.
  private var proxies: [String] {
    table.predictions.keys.sorted { ($0 == "loss" ? 0 : 1, $0) < ($1 == "loss" ? 0 : 1, $1) }
      + table.features.keys.sorted()
  }

  private typealias Agreements = [String: [String: RankAgreement]]

  /// Proxy → type → agreement; nothing where a proxy is not known of all parts of the type.
  private func agreements(level: Int) throws -> Agreements {
    var result: Agreements = [:]
    for proxy in proxies {
      for type in types {
        let predicted = type.rows.compactMap { row in
          table.prediction(proxy, row, level: level) ?? table.feature(proxy, row)
        }
        guard predicted.count == type.rows.count else { continue }
        var random = SeededGenerator(seed: 0)
        result[proxy, default: [:]][type.name] = try RankAgreement(
          predicted, type.rows.map { table.divergence($0, level: level) }, using: &random)
      }
    }
    return result
  }

  private func proxyTable(
    _ name: String, _ statistic: String, _ level: Int, _ agreements: Agreements,
    _ cell: (RankAgreement) -> AnalysisTable.Cell
  ) -> AnalysisTable {
    let types = types
    var result = AnalysisTable(
      name,
      "Does the proxy order parts as the measured KL of each part alone at \(bits(level)) bits does? "
        + "\(statistic).",
      columns: [.words("proxy")] + types.map { .number("\($0.name), n = \($0.rows.count)") },
      notes: [
        "[ ]: 95 % percentiles of 1,000 resamples of the parts. `loss` is the sensitivity table's base "
          + "loss; scores such as frequency are the same at every level; – is not measured for such "
          + "parts."
      ])
    for proxy in proxies {
      guard let found = agreements[proxy] else { continue }
      let cells = types.map { found[$0.name].map(cell) ?? .absent }
      guard cells.contains(where: { $0 != .absent }) else { continue }
      result.append([.text(proxy)] + cells)
    }
    return result
  }
}
