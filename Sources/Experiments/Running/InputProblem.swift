import Foundation
import JSON

/// Something that a point reads and that is not there, or cannot be used.
public struct InputProblem: Error, Sendable, Equatable {
  /// Where the parameters of the point name it.
  public var pointer: JSONPointer
  public var sentence: String

  public init(at pointer: JSONPointer, _ sentence: String) {
    self.pointer = pointer
    self.sentence = sentence
  }
}

/// Everything that keeps an experiment from being begun, each problem once.
public struct UnusableInputs: Error, Equatable, CustomStringConvertible {
  public let problems: [SpecError]

  /// One line a problem.
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}

extension Engine {
  /// Looks at every file and folder that the runs of a spec read.
  ///
  /// - Throws: ``UnusableInputs``; ``SpecError`` for a spec that cannot be used.
  public func checkInputs(
    of spec: ExperimentSpec, options: RunOptions = RunOptions()
  ) throws {
    try checkInputs(of: spec, runs: try spec.runs(with: pipeline).filter(options.only.admits))
  }

  func checkInputs(of spec: ExperimentSpec, runs: [PlannedRun]) throws {
    // Seeds change no input.
    var seen: Set<String> = []
    let distinct = runs.filter { run in
      seen.insert(CanonicalJSON.text(run.point.parameters.json)).inserted
    }
    let found = pipeline.problems(in: distinct.map(\.point.parameters))
    var problems = zip(distinct, found).flatMap { run, found in
      found.map { spec.error($0, at: run.point) }
    }
    if problems.isEmpty { problems = distinct.flatMap { stageProblems(of: $0, of: spec) } }
    var known: [SpecError] = []
    for problem in problems where !known.contains(problem) { known.append(problem) }
    guard known.isEmpty else { throw UnusableInputs(problems: known) }
  }

  /// What the stages themselves cannot do without.
  private func stageProblems(of run: PlannedRun, of spec: ExperimentSpec) -> [SpecError] {
    do {
      return try stages(of: run).flatMap { stage in
        stage.missingInputs.map { error in
          SpecError(.invalid(error.description), file: spec.file?.relativePath)
        }
      }
    } catch let error as SpecError {
      return [spec.error(error, at: run.point)]
    } catch {
      return [SpecError(.invalid(ErrorText.line(error)), file: spec.file?.relativePath)]
    }
  }
}

extension Stage {
  /// The files from outside that are not there, sorted by role.
  fileprivate var missingInputs: [StoreError] {
    inputs.sorted { $0.key < $1.key }.flatMap { role, source in
      source.files.filter { !FileManager.default.fileExists(atPath: $0.path) }.map { file in
        StoreError.missingInput(role: role, stage: name, path: file.path)
      }
    }
  }
}

extension StageSource {
  fileprivate var files: [URL] {
    switch self {
    case .file(let url): [url]
    case .folder(let url, let files): files.map { url.appending(path: $0) }
    case .stage: []
    }
  }
}

extension ExperimentSpec {
  fileprivate func error(_ problem: InputProblem, at point: GridPoint) -> SpecError {
    error(SpecError(.invalid(problem.sentence), at: problem.pointer), at: point)
  }
}
