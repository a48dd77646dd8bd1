extension SensitivityTable {
  /// Losses of one plan on several texts together: what a plan for all of them minimizes.
  ///
  /// Base losses and sensitivities are summed, scores averaged; bits are those of the first table.
  /// A unit that no token of a text reached has no loss there and adds none; a sensitivity counts
  /// where every table with a loss of the unit has it.
  ///
  /// - Parameter tables: Of the same units and levels, at least one.
  /// - Throws: ``TableError/otherUnits(first:second:)`` for tables of other units or levels.
  public init(sumOf tables: [SensitivityTable]) throws(TableError) {
    precondition(!tables.isEmpty, "no tables")
    let first = tables[0]
    for table in tables.dropFirst() {
      guard table.units.count == first.units.count else {
        throw .otherUnits(
          first: "\(first.units.count) units", second: "\(table.units.count)")
      }
      for (a, b) in zip(first.units, table.units)
      where a.id != b.id || a.levels.map(\.bits) != b.levels.map(\.bits) {
        throw .otherUnits(first: "\(a.id)", second: "\(b.id), or its levels")
      }
    }
    let units = first.units.indices.map { place in
      Unit(sumOf: tables.map { $0.units[place] })
    }
    var scores: [String: [Double]] = [:]
    for (name, values) in first.scores {
      let all = tables.compactMap { $0.scores[name] }
      guard all.count == tables.count else { continue }
      scores[name] = values.indices.map { unit in
        all.reduce(0) { $0 + $1[unit] } / Double(all.count)
      }
    }
    try self.init(units: units, scores: scores, neuronBlocks: first.neuronBlocks)
  }
}

extension Unit {
  /// One unit of several tables with the same levels.
  fileprivate init(sumOf units: [Unit]) {
    self = units[0]
    hasFewTokens = units.allSatisfy(\.hasFewTokens)
    for place in levels.indices {
      let measured = units.map { $0.levels[place] }.filter { $0.loss != nil }
      levels[place].loss = measured.isEmpty ? nil : measured.reduce(0) { $0 + ($1.loss ?? 0) }
      let known = measured.isEmpty ? units.map { $0.levels[place] } : measured
      levels[place].sensitivities = [:]
      for name in Set(known.flatMap(\.sensitivities.keys)).sorted() {
        let values = known.compactMap { $0.sensitivities[name] }
        if values.count == known.count {
          levels[place].sensitivities[name] = values.reduce(0, +)
        }
      }
    }
  }
}
