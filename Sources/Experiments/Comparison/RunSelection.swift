import Foundation

/// Finished runs of one point, as a command line names them.
public struct RunSelection: Sendable, Equatable {
  /// `method=GPTQ bits=3`, or a run's name.
  public let title: String
  /// In the order of their names.
  public let results: [RunResult]

  /// Finds runs.
  ///
  /// - Parameters:
  ///   - text: A run's name or its beginning; or `experiment:label/label`, where a part may also be
  ///     `axis=label` or `stream=seed`, and all replicates of the one point that fits are meant.
  ///   - workspace: Where to look.
  ///   - pipeline: That the runs are of.
  /// - Throws: ``ComparisonError/noSuchPoint(_:known:)``, ``ComparisonError/severalPoints(_:points:)``,
  ///   and what reading the workspace throws.
  public init(
    _ text: String, in workspace: Workspace, of pipeline: any Pipeline = ModelPipeline()
  ) throws {
    guard let colon = text.firstIndex(of: ":") else {
      self = try Self.run(text, in: workspace)
      return
    }
    let experiment = String(text[..<colon])
    let parts = text[text.index(after: colon)...].split(separator: "/").map(String.init)
    let all = try Self.finished(of: experiment, in: workspace, pipeline)
    let fitting = all.filter { $0.carries(parts) }
    guard let first = fitting.first else {
      throw ComparisonError.noSuchPoint(text, known: Self.labels(of: all))
    }
    let points = fitting.map(\.pointTitle)
    guard points.allSatisfy({ $0 == first.pointTitle }) else {
      throw ComparisonError.severalPoints(text, points: Array(Set(points)).sorted())
    }
    let seeds = fitting.count == 1 ? first.seedTitle : ""
    title = first.pointTitle + (seeds.isEmpty ? "" : " \(seeds)")
    results = fitting
  }

  private init(title: String, results: [RunResult]) {
    self.title = title
    self.results = results
  }

  private static func run(_ name: String, in workspace: Workspace) throws -> RunSelection {
    let folders = try workspace.runs(beginning: name)
    guard let folder = folders.first else { throw StoreError.noSuchRun(name) }
    guard folders.count == 1 else {
      throw ComparisonError.severalPoints(name, points: folders.map(\.id))
    }
    if let damage = folder.damage() { throw damage }
    guard let result = folder.result() else {
      throw ComparisonError.noItems(run: folder.id, reason: "it is not finished")
    }
    let point = [result.pointTitle, result.seedTitle].filter { !$0.isEmpty }
    return RunSelection(
      title: "\(result.run) (\(point.joined(separator: " ")))", results: [result])
  }

  /// Runs of the spec as it was run last, where that is known.
  private static func finished(
    of experiment: String, in workspace: Workspace, _ pipeline: any Pipeline
  ) throws -> [RunResult] {
    var results = try workspace.allRuns().compactMap { $0.result() }
      .filter { $0.experiment == experiment }
    if let spec = workspace.lastSpec(of: experiment) {
      let current = Set(try spec.runs(with: pipeline).map(\.id))
      results = results.filter { current.contains($0.run) }
    }
    return results
  }

  private static func labels(of results: [RunResult]) -> [String] {
    Set(results.flatMap(\.axes).map { "\($0.axis)=\($0.label)" }).sorted()
  }
}

extension RunResult {
  /// The labels that say something, `method=GPTQ bits=3`.
  fileprivate var pointTitle: String {
    axes.read(besides: aliases ?? []).map { "\($0.axis)=\($0.label)" }.joined(separator: " ")
  }

  fileprivate var seedTitle: String {
    seeds.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
  }

  /// Whether one combination of labels has every part.
  fileprivate func carries(_ parts: [String]) -> Bool {
    let seeds = seeds.map { AxisLabel(axis: $0.key, label: "\($0.value)") }
    return ([axes] + (aliases ?? [])).contains { labels in
      parts.allSatisfy { part in
        labels.contains { $0.label == part || "\($0.axis)=\($0.label)" == part }
          || seeds.contains { "\($0.axis)=\($0.label)" == part }
      }
    }
  }
}

extension Workspace {
  /// The run of a name, or all whose names begin so, sorted.
  public func runs(beginning name: String) throws -> [RunFolder] {
    let all = try allRuns()
    if let exact = all.first(where: { $0.id == name }) { return [exact] }
    return all.filter { $0.id.hasPrefix(name) }
  }
}
