import Foundation
import HDF5
import Statistics

/// Nats of every window of every corpus that a run was evaluated on.
struct WindowLosses {
  struct Corpus: Equatable {
    var nats: [Double]
    var tokens: [Double]

    var nlls: [Double] { zip(nats, tokens).map { $0 / $1 } }
  }

  /// By name.
  let corpora: [String: Corpus]

  /// Sorted.
  var names: [String] { corpora.keys.sorted() }

  init(corpora: [String: Corpus]) { self.corpora = corpora }

  /// Reads what the evaluation of a run left.
  ///
  /// - Throws: ``AnalysisError``, ``HDF5Error``.
  init(of run: AnalyzedRun) throws {
    let file = try HDF5Reader(run.file(StageFile.items, of: EvaluateStage.name))
    var corpora: [String: Corpus] = [:]
    let suffix = "/window_nll"
    for name in file.datasets() where name.hasPrefix("perplexity/") && name.hasSuffix(suffix) {
      let corpus = String(name.dropFirst("perplexity/".count).dropLast(suffix.count))
      let tokens = (try file.read("perplexity/\(corpus)/window_tokens") as [Int64]).map {
        Double($0)
      }
      let means: [Double] = try file.read(name, count: tokens.count)
      corpora[corpus] = Corpus(nats: zip(means, tokens).map { $0 * $1 }, tokens: tokens)
    }
    self.corpora = corpora
  }

  /// The mean over runs that were evaluated on the same windows; at least one.
  init(meanOf runs: [WindowLosses]) {
    let count = Double(runs.count)
    corpora = runs[0].corpora.map { name, first in
      let sums = runs.dropFirst().reduce(first.nats) { sums, run in
        zip(sums, run.corpora[name]?.nats ?? []).map { $0 + $1 }
      }
      return (name, Corpus(nats: sums.map { $0 / count }, tokens: first.tokens))
    }.reduce(into: [:]) { $0[$1.0] = $1.1 }
  }

  /// The corpus that each window of some corpora is of.
  func strata(_ names: [String]) -> Clusters {
    Clusters(
      names.flatMap { name in
        [String](repeating: name, count: corpora[name]?.nats.count ?? 0)
      })
  }

  /// Some corpora one after the other.
  func joined(_ names: [String]) -> Corpus {
    names.compactMap { corpora[$0] }.reduce(Corpus(nats: [], tokens: [])) {
      Corpus(nats: $0.nats + $1.nats, tokens: $0.tokens + $1.tokens)
    }
  }
}
