import Experiments
import Foundation
import JSON

/// What an analysis of the spec gave: kept in full in the report's data.
public struct ReportAnalysis: Codable, Sendable, Equatable {
  /// The tables and pictures of some of the runs.
  public struct Part: Codable, Sendable, Equatable {
    /// Which, where there are several.
    public var title: String?
    public var result: AnalysisResult

    public init(title: String?, result: AnalysisResult) {
      (self.title, self.result) = (title, result)
    }
  }

  public var name: String
  public var caption: String?
  public var parts: [Part]

  public init(name: String, caption: String?, parts: [Part]) {
    (self.name, self.caption, self.parts) = (name, caption, parts)
  }
}

extension ReportAnalysis {
  /// Analyses finished runs.
  ///
  /// - Parameters:
  ///   - spec: Its `analyses` are done.
  ///   - results: Complete results of its runs.
  ///   - artifact: The folder of a stage's artifact.
  /// - Returns: One for each analysis whose runs are there; nil if the spec has none.
  /// - Throws: ``SpecError``, ``AnalysisError``, and what reading artifacts throws.
  public static func collect(
    _ spec: ExperimentSpec, results: [RunResult], artifact: @escaping (StageRecord) -> URL
  ) throws -> [ReportAnalysis]? {
    let analyses = try AnalysisSpec.decode(spec.analyses, axes: spec.reportAxes)
    guard !analyses.isEmpty else { return nil }
    let order = GridOrder(axes: spec.reportAxes)
    return try analyses.compactMap { analysis in
      let runs = results.filter { result in
        ([result.axes] + (result.aliases ?? [])).contains(where: analysis.keeps)
      }.map {
        AnalyzedRun($0, artifact: artifact)
      }.sorted {
        order.precedes(
          ($0.result.axes, $0.result.seeds, $0.result.run),
          ($1.result.axes, $1.result.seeds, $1.result.run))
      }
      let parts = try analysis.parts(runs)
      return parts.isEmpty
        ? nil : ReportAnalysis(name: analysis.name, caption: analysis.caption, parts: parts)
    }
  }
}

extension AnalysisSpec {
  fileprivate func parts(_ runs: [AnalyzedRun]) throws -> [ReportAnalysis.Part] {
    switch kind {
    case .structure:
      let measured = runs.filter { $0.folder(of: StructureStage.name) != nil }
      return try measured.map { run in
        ReportAnalysis.Part(
          title: measured.count > 1 ? run.title : nil,
          result: try StructureAnalysis(run.structure()).result())
      }
    case .transfer:
      let transfer = TransferAnalysis(runs, axis: axis ?? "", merged: merged)
      return try transfer.result().map { [ReportAnalysis.Part(title: nil, result: $0)] } ?? []
    }
  }
}
