import Experiments
import Foundation
import HDF5
import JSON

/// One stage that leaves items as the `evaluate` stage does: eight questions, five windows.
struct ItemsPipeline: Pipeline {
  func seedStreams(for parameters: PointParameters) -> Set<SeedStream> {
    guard let allocation = parameters.allocation else { return [] }
    return allocation.allocator == "random" ? [.calibration, .search] : [.calibration]
  }

  func stages(for parameters: PointParameters, seeds: [SeedStream: Int]) throws -> [Stage] {
    let shift = Self.shift(parameters, seeds)
    return [
      Stage(
        name: "evaluate", epoch: 1, parameters: ["shift": JSONValue(shift)], inputs: [:]
      ) { context in
        let items = try HDF5Writer(context.directory.appending(path: "items.h5"))
        try items.write(Self.correct(shift), to: "tasks/sums/correct")
        try items.write(
          Self.losses.map { $0 + 0.01 * Double(shift) }, to: "perplexity/tales/window_nll")
        try items.write(Self.tokens, to: "perplexity/tales/window_tokens")
        try items.finish()
        try Data(#"{"forwardTokens": 7}"#.utf8).write(
          to: context.directory.appending(path: "cost.json"))
        try Data("\(shift)".utf8).write(to: context.directory.appending(path: "shift.txt"))
      }
    ]
  }

  static let losses = [2.0, 1.5, 1.75, 2.25, 1.0]
  static let tokens: [Int64] = [10, 10, 20, 20, 5]

  /// The last `shift` of eight answers are wrong.
  static func correct(_ shift: Int) -> [UInt8] { (0..<8).map { $0 < 8 - shift ? 1 : 0 } }

  private static func shift(_ parameters: PointParameters, _ seeds: [SeedStream: Int]) -> Int {
    let method = ["random": 3, "frequency": 1][parameters.allocation?.allocator ?? ""] ?? 0
    return method + (seeds[.calibration] ?? 0) + (seeds[.search] ?? 0)
  }

  func outcome(for parameters: PointParameters, artifacts: [String: URL]) throws -> PointOutcome {
    guard let folder = artifacts["evaluate"],
      let shift = Int(try String(contentsOf: folder.appending(path: "shift.txt"), encoding: .utf8))
    else { preconditionFailure("the stage left no shift") }
    let context = parameters.budget?.experts == 3 ? 32.0 : 16
    let nats = zip(Self.losses, Self.tokens).reduce(0) {
      $0 + ($1.0 + 0.01 * Double(shift)) * Double($1.1)
    }
    return PointOutcome(
      metrics: [
        Metric(
          definition: Self.definition("perplexity", "tales", "exp(nats/token)", context),
          value: exp(nats / 65), items: 5),
        Metric(
          definition: Self.definition("bits-per-byte", "all", "bits/byte", context),
          value: nats / log(2) / 200, items: 5),
        Metric(
          definition: Self.definition("accuracy", "sums", "fraction", 0),
          value: Double(8 - shift) / 8, items: 8),
        Metric(
          definition: Self.definition("fitness", "search", "nats/token", 0), value: 1, items: 1),
      ], ledgers: ["expert-code-bits": parameters.budget?.experts ?? 16], forced: false,
      counts: [:], remarks: [], facts: [:])
  }

  static func definition(
    _ name: String, _ scope: String, _ unit: String, _ context: Double
  ) -> MetricDefinition {
    MetricDefinition(
      name: name, scope: scope, unit: unit, higherIsBetter: name == "accuracy",
      protocolParameters: ["context": JSONValue(context)])
  }
}
