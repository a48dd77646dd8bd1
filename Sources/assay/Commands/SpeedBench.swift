import ArgumentParser
import Checkpoints
import Evaluation
import Experiments
import Foundation
import JSON
import MoEModels
import Statistics

struct SpeedBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "speed", abstract: "Time prompt and decoding of models, side by side.",
    discussion: """
      Quantized folders run from their packed weights, the others in --compute. All models are in
      memory together and take turns, so that each repeat meets all of them under the same
      conditions; ratios are formed within a repeat. One sequence, random tokens from --seed, greedy
      steps with a cache. Medians, and between low and high the 95 % interval of order statistics.
      Bytes are the weights that one token reads; keys and values are left out.

      Example:
        assay bench speed models/olmoe quantized-3bit quantized-mixed --prompt-tokens 128 --steps 32
      """)

  @Argument(help: "Model folders; ratios are to the first.", completion: .directory)
  var models: [String]

  @Option(help: "Tokens of the prompt.")
  var promptTokens = 128

  @Option(help: "Tokens that are decoded one by one.")
  var steps = 32

  @Option(help: "Turns that count, after one that does not; intervals need 6.")
  var repeats = 7

  @Option(help: "Of the prompt's tokens.")
  var seed: UInt64 = 0

  @Flag(help: "Dequantize quantized folders when they are read, and run them in --compute.")
  var dequantized = false

  @OptionGroup var compute: ComputeOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    guard !models.isEmpty, promptTokens > 0, steps > 0, repeats > 0 else {
      throw ValidationError(
        "Give a model folder, and at least 1 as --prompt-tokens, --steps and --repeats.")
    }
  }

  /// A model that is timed.
  private struct Subject {
    let name: String
    let mode: String
    let decoder: Decoder
    var speed: DecodingSpeed
  }

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    var subjects = try models.map(subject)
    let vocabulary = subjects.map(\.decoder.configuration.vocabularySize).min() ?? 1
    for turn in 0...repeats {
      var random = SeededGenerator(seed: seed &+ UInt64(turn))
      let prompt = (0..<promptTokens).map { _ in Int32(random.below(vocabulary)) }
      for index in subjects.indices {
        try subjects[index].speed.run(
          subjects[index].decoder, prompt: prompt, isCounted: turn > 0)
      }
    }
    try StandardOutput.write(table(of: subjects).text(format.format))
  }

  private func subject(_ path: String) throws -> Subject {
    let folder = try ModelFolder(URL(filePath: path))
    let isPacked = folder.weights is QuantizedCheckpoint && !dequantized
    return Subject(
      name: path, mode: (isPacked ? "packed+" : "") + compute.precision.rawValue,
      decoder: try Decoder(
        source: isPacked ? PackedExecution(folder) : folder.weights, precision: compute.precision,
        room: promptTokens + steps),
      speed: DecodingSpeed(promptTokens: promptTokens, steps: steps))
  }

  private func table(of subjects: [Subject]) -> DataTable {
    let measures = ["prefill", "decode", "decodeRatio", "firstTokenSeconds"]
    var table = DataTable(
      ["model", "mode", "bytesPerToken"] + measures.flatMap { [$0, "\($0)Low", "\($0)High"] })
    for subject in subjects {
      let speed = subject.speed
      let ratios = zip(speed.stepSeconds, subjects[0].speed.stepSeconds).map { $1 / $0 }
      let cells = [
        speed.promptTokensPerSecond, speed.stepsPerSecond, ratios, speed.promptSeconds,
      ].flatMap(MedianEstimate.cells)
      table.append(
        [
          JSONValue(subject.name), JSONValue(subject.mode),
          JSONValue(subject.decoder.bytesPerToken),
        ] + cells)
    }
    return table
  }
}

extension MedianEstimate {
  /// Median and both ends of the interval.
  static func cells(_ values: [Double]) -> [JSONValue] {
    let estimate = MedianEstimate(values)
    return [estimate?.median, estimate?.interval?.lower, estimate?.interval?.upper]
      .map { $0.map { JSONValue($0) } ?? .null }
  }
}
