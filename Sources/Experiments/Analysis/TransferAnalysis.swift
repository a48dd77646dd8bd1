import BitAllocation
import Reconstruction
import Statistics

/// Plans made on one calibration set and evaluated on the text of every other.
///
/// An axis of the grid names the sets; the corpora of perplexity are what is evaluated on. A set
/// whose label is the name of a corpus is that corpus's own.
public struct TransferAnalysis {
  let axis: String
  /// Labels that stand for all sets together.
  let merged: [String]
  private let runs: [AnalyzedRun]

  /// A run that was quantized.
  struct Variant {
    let run: AnalyzedRun
    let losses: WindowLosses
    let plan: Plan
    let modules: [ModuleReport]

    var seeds: [String: Int] { run.result.seeds }
  }

  /// The variants of one label, one for each choice of seeds.
  struct CalibrationSet {
    let label: String
    let variants: [Variant]
    /// Mean over variants.
    let losses: WindowLosses
  }

  /// - Parameters:
  ///   - runs: In the order of the grid; those that were not quantized are the reference.
  ///   - axis: Whose labels are calibration sets.
  ///   - merged: Labels that stand for all sets together.
  public init(_ runs: [AnalyzedRun], axis: String, merged: [String]) {
    (self.runs, self.axis, self.merged) = (runs, axis, merged)
  }

  /// All tables and pictures; nil while no run is there.
  ///
  /// - Throws: ``AnalysisError``; what reading artifacts and ``StatisticsError`` throw.
  public func result() throws -> AnalysisResult? {
    let quantized = runs.filter { $0.folder(of: QuantizeStage.name) != nil }
    guard !quantized.isEmpty else { return nil }
    try checkAxes(quantized)
    let sets = try sets(quantized)
    let full = try runs.first { $0.folder(of: QuantizeStage.name) == nil }.map {
      try WindowLosses(of: $0)
    }
    try checkWindows(sets, full)
    let comparison = TransferComparison(sets: sets, merged: merged, full: full)
    let tables =
      [try comparison.lossTable(), try comparison.regretTable(), try comparison.agreementTable()]
      + [try comparison.varianceTable(), try comparison.costTable()].compactMap(\.self)
    return AnalysisResult(
      tables: tables.filter { !$0.rows.isEmpty }, figures: try comparison.figures())
  }

  private func sets(_ quantized: [AnalyzedRun]) throws -> [CalibrationSet] {
    var (labels, variants): ([String], [String: [Variant]]) = ([], [:])
    for run in quantized {
      let label = run.label(axis) ?? ""
      if variants[label] == nil { labels.append(label) }
      variants[label, default: []].append(
        Variant(
          run: run, losses: try WindowLosses(of: run), plan: try run.plan(),
          modules: try run.modules()))
    }
    return labels.map { label in
      let own = variants[label] ?? []
      return CalibrationSet(
        label: label, variants: own, losses: WindowLosses(meanOf: own.map(\.losses)))
    }
  }

  /// Runs may differ in the calibration set and in seeds alone.
  private func checkAxes(_ quantized: [AnalyzedRun]) throws(AnalysisError) {
    var labels: [String: [String]] = [:]
    for run in quantized {
      for label in run.result.axes where label.axis != axis {
        if labels[label.axis]?.contains(label.label) != true {
          labels[label.axis, default: []].append(label.label)
        }
      }
    }
    for (axis, labels) in labels.sorted(by: { $0.key < $1.key }) where labels.count > 1 {
      throw .mixedAxis(analysis: "transfer", axis: axis, labels: labels)
    }
  }

  private func checkWindows(
    _ sets: [CalibrationSet], _ full: WindowLosses?
  ) throws(AnalysisError) {
    guard let first = sets.first?.variants.first else { return }
    let all = sets.flatMap(\.variants)
    for variant in all {
      for name in first.losses.names
      where variant.losses.corpora[name]?.tokens != first.losses.corpora[name]?.tokens {
        throw .otherWindows(run: variant.run.result.run, corpus: name)
      }
    }
    guard let full else { return }
    for name in first.losses.names
    where full.corpora[name]?.tokens != first.losses.corpora[name]?.tokens {
      throw .otherWindows(run: "of full precision", corpus: name)
    }
  }
}
