import ArgumentParser
import Evaluation
import Experiments
import Foundation
import JSON
import MoEModels

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Let a model write on after a prompt.",
    discussion: """
      Works on full precision and on quantized folders. Temperature 0 takes the likeliest token; other
      temperatures draw, the same for the same seed. A stop is cut off.

      Examples:
        assay generate models/olmoe --prompt "The capital of France is" --max-tokens 20
        assay generate quantized --prompt "def add(a, b):" --temperature 0.8 --top-p 0.95 --seed 3
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @Option(help: "What to write on after; may be given several times.")
  var prompt: [String]

  @Option(help: "Tokens at most.")
  var maxTokens = 64

  @Option(help: "Text that ends a continuation; may be given several times.")
  var stop: [String] = []

  @Option(help: "0 takes the likeliest token.")
  var temperature = 0.0

  @Option(help: "Draw from so many of the likeliest tokens.")
  var topK: Int?

  @Option(help: "Draw from the likeliest tokens that have this probability together.")
  var topP: Double?

  @Option(help: "Of the draws.")
  var seed: UInt64 = 0

  @Option(help: "Sequences that grow side by side.")
  var batch = 16

  @Flag(help: "Run a quantized folder from its packed weights instead of dequantizing them first.")
  var packed = false

  @OptionGroup var compute: ComputeModeOption
  @OptionGroup var format: FormatOption

  private var options: GenerationOptions {
    GenerationOptions(
      maximumTokens: maxTokens, stops: stop, temperature: temperature, topK: topK, topP: topP,
      seed: seed, batch: batch)
  }

  func validate() throws {
    guard !prompt.isEmpty else { throw ValidationError("Give at least one --prompt.") }
    do { try options.check() } catch { throw ValidationError("\(error)") }
  }

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    let folder = try ModelFolder(URL(filePath: model)).executed(as: compute.mode)
    let tokenizer = try folder.tokenizer()
    let decoder = try Decoder(
      source: packed && compute.mode.activations == .exact
        ? PackedExecution(folder) : folder.weights, precision: compute.precision)
    let start = ContinuousClock.now
    let (found, _) = try TextGenerator(decoder, tokenizer: tokenizer).continuations(
      of: prompt.map { tokenizer.encode($0, addSpecialTokens: true) }, options: options)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    var table = DataTable(["prompt", "text", "tokens", "ending", "seconds"])
    for (prompt, continuation) in zip(prompt, found) {
      table.append([
        JSONValue(prompt), JSONValue(continuation.text), JSONValue(continuation.tokens.count),
        JSONValue(continuation.ending.name), JSONValue(seconds),
      ])
    }
    guard format.format == .text else {
      return try StandardOutput.write(table.text(format.format))
    }
    try StandardOutput.write(
      zip(prompt, found).map { $0 + $1.text + "\n" }.joined(separator: "\n"))
  }
}

extension Continuation.Ending {
  fileprivate var name: String {
    switch self {
    case .stop(let text): "stop \(text)"
    case .endOfText: "end of text"
    case .length: "length"
    }
  }
}
