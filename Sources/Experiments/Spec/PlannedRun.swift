import JSON

/// A point with its seeds: what one run folder holds.
public struct PlannedRun: Sendable {
  /// `<experiment>-<10 characters>`, from the identity alone.
  public let id: String
  public let point: GridPoint
  /// Exactly the streams that the stages of the point read.
  public let seeds: [SeedStream: Int]

  init(experiment: String, point: GridPoint, seeds: [SeedStream: Int]) {
    let identity: JSONValue = [
      "schemaVersion": JSONValue(ExperimentSpec.schemaVersion),
      "parameters": point.parameters.json,
      "seeds": Self.json(seeds),
    ]
    self.id = "\(experiment)-\(Digest.shortName(of: CanonicalJSON.data(identity)))"
    self.point = point
    self.seeds = seeds
  }

  /// Labels and seeds in one line: `method=gptq bits=3 calibration=1`.
  public var title: String {
    let labels = point.axes.read(besides: point.aliases).map { "\($0.axis)=\($0.label)" }
    let seeds = seeds.sorted { $0.key < $1.key }.map { "\($0.key.rawValue)=\($0.value)" }
    return (labels + seeds).joined(separator: " ")
  }

  static func json(_ seeds: [SeedStream: Int]) -> JSONValue {
    .object(
      JSONObject(seeds.sorted { $0.key < $1.key }.map { ($0.key.rawValue, JSONValue($0.value)) }))
  }
}

extension ExperimentSpec {
  /// Each point over exactly the seeds of the streams that its stages read.
  public func runs(with pipeline: any Pipeline) throws(SpecError) -> [PlannedRun] {
    try points().flatMap { point in
      seedCombinations(of: pipeline.seedStreams(for: point.parameters)).map { seeds in
        PlannedRun(experiment: name, point: point, seeds: seeds)
      }
    }
  }

  private func seedCombinations(of streams: Set<SeedStream>) -> [[SeedStream: Int]] {
    streams.sorted().reduce([[:]]) { combinations, stream in
      combinations.flatMap { start in
        (replicates[stream] ?? [0]).map { seed in start.merging([stream: seed]) { $1 } }
      }
    }
  }
}
