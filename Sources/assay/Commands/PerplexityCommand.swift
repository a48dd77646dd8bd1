import ArgumentParser
import Checkpoints
import Evaluation
import Experiments
import Foundation
import JSON
import MoEModels

struct PerplexityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity", abstract: "Measure a model's perplexity on a text.",
    discussion: """
      Windows that do not overlap, as in GPTQ's evaluation; bits per byte beside it. Works on full
      precision and on quantized folders.

      Examples:
        assay perplexity models/olmoe --text wikitext2_test.gz --text-format wikitext --context 2048
        assay perplexity experiments/reference-model --text story.txt --context 256 --compute f32
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @OptionGroup var text: TextOptions
  @OptionGroup var compute: ComputeOption
  @OptionGroup var format: FormatOption

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    let folder = try ModelFolder(URL(filePath: model))
    let tokenizer = try folder.tokenizer()
    let corpus = try TextCorpus(text.url, format: text.textFormat)
    let tokens = tokenizer.encode(corpus.text)
    let start = ContinuousClock.now
    let result = try Perplexity(
      of: folder.weights, text: (text.text, tokens), context: text.context, tokenizer: tokenizer,
      precision: compute.precision
    ) { StepProgress.show($0, "perplexity") }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    StepProgress.finish()
    var table = DataTable([
      "perplexity", "bitsPerByte", "windows", "scoredTokens", "context", "compute", "seconds",
      "tokensPerSecond",
    ])
    table.append([
      JSONValue(result.perplexity), JSONValue(result.bitsPerByte),
      JSONValue(result.windowLosses.count), JSONValue(result.scoredTokens),
      JSONValue(text.context), JSONValue(compute.precision.rawValue), JSONValue(seconds),
      JSONValue(Double(result.scoredTokens) / seconds),
    ])
    print(table.singleRowText(format.format), terminator: "")
  }
}
