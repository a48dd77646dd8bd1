import ArgumentParser
import Evaluation
import Experiments
import Foundation
import JSON
import Statistics

extension SpeedSubject.Execution: ExpressibleByArgument {}

struct SpeedBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "speed", abstract: "Time prompt and decoding of models, side by side.",
    discussion: """
      Quantized folders run from their packed weights, the others in --compute; with int8-activations, those
      in f32. All models are in
      memory together, each in a process of its own, and take turns, so that each repeat meets all of
      them under the same conditions; ratios are to the first model, formed within a repeat. One
      sequence, random tokens from --seed, greedy steps with a cache. Medians, and between low and high
      the 95 % interval of order statistics. Bytes are the weights that one token reads; keys and
      values are left out. Memory is the largest resident memory of a model's process: until it is
      loaded, and after that.

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
  var repeats = 9

  @Option(help: "Of the prompt's tokens.")
  var seed: UInt64 = 0

  @Option(help: "packed: quantized folders from their packed weights; dequantized: widened.")
  var execution = SpeedSubject.Execution.packed

  @OptionGroup var compute: ComputeModeOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    guard !models.isEmpty, promptTokens > 0, steps > 0, repeats > 0 else {
      throw ValidationError(
        "Give a model folder, and at least 1 as --prompt-tokens, --steps and --repeats.")
    }
  }

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    var measurement = SpeedMeasurement()
    (measurement.promptTokens, measurement.steps) = (promptTokens, steps)
    (measurement.repeats, measurement.seed) = (repeats, seed)
    let speeds = try measurement.measure(
      models.map {
        SpeedSubject(
          folder: URL(filePath: $0), execution: execution, compute: compute.mode)
      }, on: .thisProgram
    ) { StepProgress.show($0, "turns of \(models.count) models") }
    StepProgress.finish("measured on \(SpeedMachine.current.sentence)")
    try StandardOutput.write(table(of: speeds).text(format.format))
  }

  private func table(of speeds: [ModelSpeed]) -> DataTable {
    let measures = ["prefill", "decode", "prefillRatio", "decodeRatio", "firstTokenSeconds"]
    var table = DataTable(
      ["model", "mode", "bytesPerToken", "loadingMemory", "runningMemory"]
        + measures.flatMap { [$0, "\($0)Low", "\($0)High"] })
    for (model, speed) in zip(models, speeds) {
      let times = speed.times
      let cells = [
        times.promptTokensPerSecond, times.stepsPerSecond,
        times.promptSpeedup(over: speeds[0].times), times.stepSpeedup(over: speeds[0].times),
        times.promptSeconds,
      ].flatMap(MedianEstimate.cells)
      table.append(
        [
          JSONValue(model), JSONValue(speed.mode), JSONValue(speed.bytesPerToken),
          JSONValue(speed.loadingMemory), JSONValue(speed.runningMemory),
        ] + cells)
    }
    return table
  }
}

/// The other side of ``SpeedBench`` and of the stage `bench`.
struct SpeedWorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Time a model for another process, over standard input.",
    shouldDisplay: false)

  func run() throws { try SpeedWorker.serve(STDIN_FILENO) }
}

extension SpeedHost {
  /// Processes of this program.
  static var thisProgram: SpeedHost {
    .processes(URL(filePath: "/proc/self/exe"), arguments: ["bench", "worker"])
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
