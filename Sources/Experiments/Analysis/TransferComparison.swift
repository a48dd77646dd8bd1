import BitAllocation
import Foundation
import Statistics

/// Calibration sets held against each other.
struct TransferComparison {
  typealias CalibrationSet = TransferAnalysis.CalibrationSet
  typealias Variant = TransferAnalysis.Variant

  let sets: [CalibrationSet]
  let merged: [String]
  /// Of the unquantized model; nil where it was not run.
  let full: WindowLosses?

  var corpora: [String] { sets[0].losses.names }
  /// Sets that a corpus is named after.
  var domains: [CalibrationSet] {
    sets.filter { corpora.contains($0.label) && !merged.contains($0.label) }
  }
  private var runs: String {
    let counts = Set(sets.map(\.variants.count)).sorted()
    return counts == [1]
      ? "" : ", means over \(counts.map(String.init).joined(separator: " or ")) runs of a set"
  }
}

// MARK: Losses

extension TransferComparison {
  /// What every set's plan loses on every corpus.
  func lossTable() throws -> AnalysisTable {
    let scopes = corpora.map { ($0, [$0]) } + (corpora.count > 1 ? [("all", corpora)] : [])
    var result = AnalysisTable(
      "transfer",
      full == nil
        ? "Nats per token of plans allocated on one calibration set (rows) on every text (columns)."
        : "Loss above full precision of plans allocated on one calibration set (rows) on every text "
          + "(columns), in 1e-3 nats/token.",
      columns: [.words("allocated on")] + scopes.map { .number($0.0) },
      notes: ["[ ]: 95 % t interval over windows\(runs); all: pooled over tokens."])
    for set in sets {
      result.append(
        try [.text(set.label)]
          + scopes.map { try difference(of: set.losses, from: full, on: $0.1) })
    }
    return result
  }

  /// What a set's plan loses more than the corpus's own.
  func regretTable() throws -> AnalysisTable {
    let own = domains
    var result = AnalysisTable(
      "regret",
      "Loss on a text beyond that of the plan allocated on its own calibration set, in 1e-3 "
        + "nats/token; all: every text against its own plan.",
      columns: [.words("allocated on")] + own.map { .number($0.label) } + [.number("all")],
      notes: ["[ ]: 95 % t interval over windows\(runs), which the two plans share."])
    guard own.count > 1 else { return result }
    for set in sets {
      result.append(
        try [.text(set.label)]
          + own.map { domain in
            domain.label == set.label
              ? .absent
              : try difference(of: set.losses, from: domain.losses, on: [domain.label])
          } + [.init(regret(of: set).mean, try regret(of: set).interval(), scale: 1e3)])
    }
    return result
  }

  /// Over all domains, each against its own plan.
  func regret(of set: CalibrationSet) throws -> MeanEstimate {
    let names = domains.map(\.label)
    let candidate = set.losses.joined(names)
    let own = domains.flatMap { $0.losses.joined([$0.label]).nats }
    return try MeanEstimate(
      candidate: candidate.nats, baseline: own, weights: candidate.tokens,
      strata: set.losses.strata(names))
  }

  private func difference(
    of losses: WindowLosses, from baseline: WindowLosses?, on names: [String]
  ) throws -> AnalysisTable.Cell {
    let candidate = losses.joined(names)
    guard let baseline else {
      let estimate = try MeanEstimate(
        sumOf: candidate.nats, over: candidate.tokens, strata: losses.strata(names))
      return .init(estimate.mean, try estimate.interval())
    }
    let estimate = try MeanEstimate(
      candidate: candidate.nats, baseline: baseline.joined(names).nats,
      weights: candidate.tokens, strata: losses.strata(names))
    return .init(estimate.mean, try estimate.interval(), scale: 1e3)
  }
}

// MARK: Plans

extension TransferComparison {
  /// Means over pairs of plans.
  private struct Agreement {
    var pairs = 0
    var agreement = 0.0
    var kappa: Double?
    var spearman: Double?
    var jaccard: Double?

    init?(_ pairs: [(Variant, Variant)]) throws {
      guard !pairs.isEmpty else { return nil }
      let comparisons = try pairs.map { try PlanComparison($0.plan, $1.plan) }
      self.pairs = pairs.count
      agreement = Self.mean(comparisons.map(\.agreement)) ?? 0
      kappa = Self.mean(comparisons.compactMap(\.kappa.value))
      spearman = Self.mean(comparisons.compactMap(\.spearman))
      jaccard = Self.mean(comparisons.compactMap(\.highestLevelJaccard))
    }

    private static func mean(_ values: [Double]) -> Double? {
      values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
  }

  /// Plans of the same set with other seeds, or of two sets with the same seeds.
  private func pairs(_ a: Int, _ b: Int) -> [(Variant, Variant)] {
    let (first, second) = (sets[a].variants, sets[b].variants)
    guard a != b else {
      return first.indices.flatMap { i in
        first.indices.dropFirst(i + 1).map { (first[i], first[$0]) }
      }
    }
    return first.flatMap { x in second.filter { $0.seeds == x.seeds }.map { (x, $0) } }
  }

  /// How far plans of different sets agree, beside plans of the same set with other seeds.
  func agreementTable() throws -> AnalysisTable {
    var result = AnalysisTable(
      "agreement",
      "Agreement of plans: between seeds of one set, and between two sets at equal seeds.",
      columns: [
        .words("plans"), .count("pairs"), .number("equal levels (%)"), .number("κ"),
        .number("Spearman's ρ"), .number("Jaccard of the highest level"),
      ],
      notes: [
        "Means over pairs. κ corrects for chance; Jaccard: common units among those that either plan gives its highest level."
      ])
    func append(_ name: String, _ pairs: [(Variant, Variant)]) throws {
      guard let mean = try Agreement(pairs) else { return }
      result.append([
        .text(name), .init(mean.pairs), .init(100 * mean.agreement), .init(mean.kappa),
        .init(mean.spearman), .init(mean.jaccard),
      ])
    }
    try append("all, same set", sets.indices.flatMap { pairs($0, $0) })
    let unlike = sets.indices.flatMap { a in sets.indices.dropFirst(a + 1).map { (a, $0) } }
    try append("all, two sets", unlike.flatMap { pairs($0, $1) })
    for set in sets.indices { try append("\(sets[set].label), seeds", pairs(set, set)) }
    for (a, b) in unlike { try append("\(sets[a].label) – \(sets[b].label)", pairs(a, b)) }
    return result
  }

  /// Regret, and κ.
  func figures() throws -> [AnalysisFigure] {
    let labels = sets.map(\.label)
    let own = domains
    var figures: [AnalysisFigure] = []
    if own.count > 1 {
      let cells = sets.map { set in
        own.map { domain -> Double? in
          let (a, b) = (set.losses.joined([domain.label]), domain.losses.joined([domain.label]))
          return (a.nats.reduce(0, +) - b.nats.reduce(0, +)) / a.tokens.reduce(0, +) * 1e3
        }
      }
      figures.append(
        .heatMap(
          "regret",
          "Loss on each text beyond that of the plan allocated on its own calibration set.",
          .init(
            x: "evaluated on", y: "allocated on", columns: own.map(\.label), rows: labels,
            cells: cells, unit: "1e-3 nats/token", isDiverging: true, showsNumbers: true)))
    }
    let kappas = try sets.indices.map { a in
      try sets.indices.map { b in try Agreement(pairs(min(a, b), max(a, b)))?.kappa }
    }
    if sets.count > 1, kappas.joined().contains(where: { $0 != nil }) {
      figures.append(
        .heatMap(
          "agreement",
          "κ of plans of two calibration sets at equal seeds; on the diagonal, of one set with other "
            + "seeds.",
          .init(
            x: "allocated on", y: "allocated on", columns: labels, rows: labels, cells: kappas,
            unit: "κ", isDiverging: false, showsNumbers: true)))
    }
    return figures
  }
}
