import BitAllocation
import Foundation
import JSON
import Reconstruction

/// A finished run whose artifacts are read again.
public struct AnalyzedRun {
  public let result: RunResult
  private let artifact: (StageRecord) -> URL

  /// - Parameters:
  ///   - result: Of the run.
  ///   - artifact: The folder of a stage's artifact.
  public init(_ result: RunResult, artifact: @escaping (StageRecord) -> URL) {
    (self.result, self.artifact) = (result, artifact)
  }

  /// Labels, and seeds where there are any: `GPTQ, 2.5; calibration 1`.
  public var title: String {
    let seeds = result.seeds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return [result.axes.map(\.label).joined(separator: ", "), seeds.joined(separator: ", ")]
      .filter { !$0.isEmpty }.joined(separator: "; ")
  }

  /// nil if the run has no such stage.
  public func folder(of stage: String) -> URL? {
    result.stages.first { $0.name == stage }.map(artifact)
  }

  func label(_ axis: String) -> String? { result.axes.first { $0.axis == axis }?.label }

  /// A file of a stage that the run must have.
  func file(_ name: String, of stage: String) throws(AnalysisError) -> URL {
    guard let folder = folder(of: stage) else {
      throw .noStage(run: result.run, stage: stage)
    }
    let url = folder.appending(path: name)
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw .missing(run: result.run, path: url.path)
    }
    return url
  }

  public func structure() throws -> StructureTable {
    try StructureTable(hdf5: file(StageFile.structure, of: StructureStage.name))
  }

  func plan() throws -> Plan {
    try Plan(
      importing: FileContents.read(file(StageFile.plan, of: AllocateStage.name)), as: .plan)
  }

  func modules() throws -> [ModuleReport] {
    _ = try file(StageFile.modules, of: QuantizeStage.name)
    return try QuantizeStage.modules(in: folder(of: QuantizeStage.name) ?? URL(filePath: "/"))
  }
}

/// Why finished runs cannot be analysed.
public enum AnalysisError: Error, Equatable, CustomStringConvertible {
  case noStage(run: String, stage: String)
  case missing(run: String, path: String)
  case mixedAxis(analysis: String, axis: String, labels: [String])
  case otherWindows(run: String, corpus: String)

  public var description: String {
    switch self {
    case .noStage(let run, let stage):
      "Run \(run) has no stage \(stage), which the analysis reads; leave its point out by \"where\"."
    case .missing(let run, let path):
      "\(path) of run \(run) is gone, and analyses read it; `assay run` builds it again."
    case .mixedAxis(let analysis, let axis, let labels):
      "The analysis \(analysis) would mix \(labels.joined(separator: ", ")) of the axis \(axis); "
        + "choose one label by \"where\"."
    case .otherWindows(let run, let corpus):
      "Run \(run) was evaluated on other windows of \(corpus) than the others; analyse them apart."
    }
  }
}
