import Foundation
import JSON

/// A stream of seeds that replicates vary over (DECISIONS: Seeds).
public enum SeedStream: String, Codable, CaseIterable, Sendable, Comparable {
  case calibration, search, evaluation

  public static func < (a: SeedStream, b: SeedStream) -> Bool { a.rawValue < b.rawValue }
}

/// What a stage reads: a file or folder from outside, or the artifact of an earlier stage.
public enum StageSource: Sendable, Equatable {
  /// Content-hashed file, or folder whose named files are hashed together.
  case file(URL)
  case folder(URL, files: [String])
  /// The artifact of the stage of this name in the same pipeline.
  case stage(String)
}

/// One step of a point's pipeline, complete enough to be keyed, planned and executed.
///
/// The key is SHA-256 over the name, the epoch, the canonical JSON of `parameters` and the digests
/// of `inputs` (for a stage: the digest of its payloads, so that equal plans share what follows).
public struct Stage: Sendable {
  /// `calibrate`, `measure`, `allocate`, `quantize`, `evaluate`.
  public var name: String
  /// Bumped by hand when the results of this stage change for equal parameters.
  public var epoch: Int
  /// Only what this stage reads, its derived seed included.
  public var parameters: JSONValue
  /// Role (`model`, `corpus`, `calibration`, …) → what is read.
  public var inputs: [String: StageSource]
  /// Bytes that the artifact will hold, if that can be told beforehand.
  public var expectedBytes: Int?
  /// Writes the payload files into `context.directory`.
  public var body: @Sendable (StageContext) throws -> Void

  public init(
    name: String, epoch: Int, parameters: JSONValue, inputs: [String: StageSource],
    expectedBytes: Int? = nil, body: @escaping @Sendable (StageContext) throws -> Void
  ) {
    self.name = name
    self.epoch = epoch
    self.parameters = parameters
    self.inputs = inputs
    self.expectedBytes = expectedBytes
    self.body = body
  }
}

/// What a running stage is given.
public struct StageContext: Sendable {
  /// A private folder that becomes the artifact when the body returns.
  public let directory: URL
  /// Role → resolved folder or file.
  public let inputs: [String: URL]
  /// Role → digest of what is read, where it is known.
  public let digests: [String: String]
  /// Reports how much is done, `fraction` in 0…1; safe to call from the stage's own thread only.
  public let progress: @Sendable (_ fraction: Double, _ note: String) -> Void
  /// A folder of this stage with this key that survives a crash and goes when the stage is done; the
  /// stage makes it if it has something to keep. nil: nothing can be kept.
  public let recovery: URL?
  /// Says what a reader must know although the stage goes on.
  public var notice: @Sendable (_ sentence: String) -> Void = { _ in }

  public init(
    directory: URL, inputs: [String: URL], digests: [String: String] = [:], recovery: URL? = nil,
    progress: @escaping @Sendable (_ fraction: Double, _ note: String) -> Void
  ) {
    self.directory = directory
    self.inputs = inputs
    self.digests = digests
    self.recovery = recovery
    self.progress = progress
  }
}

/// Turns the parameters of a point into stages; the engine knows nothing of models.
public protocol Pipeline: Sendable {
  /// The stages of a point in the order of execution; `seeds` has one for each stream that the
  /// point reads.
  func stages(for parameters: PointParameters, seeds: [SeedStream: Int]) throws -> [Stage]

  /// The streams that the stages of this point read.
  func seedStreams(for parameters: PointParameters) -> Set<SeedStream>

  /// What is wrong with the files that each point reads, as far as it can be told without computing;
  /// what several points share is told once.
  func problems(in points: [PointParameters]) -> [[InputProblem]]

  /// Collects the result of a point from its finished artifacts (stage name → folder).
  func outcome(for parameters: PointParameters, artifacts: [String: URL]) throws -> PointOutcome
}

extension Pipeline {
  public func problems(in points: [PointParameters]) -> [[InputProblem]] { points.map { _ in [] } }
}
