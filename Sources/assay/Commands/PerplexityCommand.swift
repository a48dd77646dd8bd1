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
      Perplexity by one of four protocols, whose numbers must not be compared, and bits per byte.
      Works on full precision and on quantized folders.

        gptq       windows that do not overlap, all tokens but the first of each scored
        llama.cpp  chunks that begin with the token that tokenizer.json puts before a text, if it
                   does; their second half scored; naive standard error
        strided    overlapping windows, every token scored once with up to a context before it
        lm-eval    whole documents (WikiText articles, detokenized); word perplexity

      --packed multiplies a quantized folder's packed weights as they are, as `assay generate --packed`
      does: products of the accuracy of f32, whatever --compute says of the others. Codebooks and groups
      of outputs have no such products and are refused.

      Numbers may be compared if their definitions are equal: a hash of the protocol with its
      parameters, the text, the tokenizer and the compute mode, packed or not.

      Examples:
        assay perplexity models/olmoe --text wikitext2_test.gz --text-format wikitext --context 2048
        assay perplexity experiments/reference-model --text story.txt --context 256 --compute f32
        assay perplexity mixtral-2.5bit --text story.txt --packed --compute f32
      """)

  @Argument(help: "Model folder.", completion: .directory)
  var model: String

  @OptionGroup var text: TextOptions
  @Option(name: .customLong("protocol"), help: "gptq, llama.cpp, strided or lm-eval.")
  var convention = PerplexityConvention.gptq

  @Option(help: "strided: tokens from window to window; half the context if left out.")
  var stride: Int?

  @Flag(help: "Run a quantized folder from its packed weights instead of dequantizing them first.")
  var packed = false

  @OptionGroup var compute: ComputeModeOption
  @OptionGroup var format: FormatOption

  func validate() throws {
    do { try convention.check(context: text.window.context, stride: stride) } catch {
      throw ValidationError("\(error)")
    }
  }

  func run() throws {
    Interruption.install(saying: "Interrupted.")
    let folder = try ModelFolder(URL(filePath: model)).executed(as: compute.mode)
    let tokenizer = try folder.tokenizer()
    let scoring = try convention.scoring(
      context: text.window.context, stride: stride, for: folder.configuration, tokenizer)
    let documents = try PerplexityText.documents(
      text.url, format: text.window.textFormat, scoring: scoring, tokenizer: tokenizer)
    let start = ContinuousClock.now
    let result = try Perplexity(
      of: runsPacked ? PackedExecution(folder) : folder.weights, documents: (text.text, documents),
      scoring: scoring,
      tokenizer: tokenizer, precision: compute.precision
    ) { StepProgress.show($0, "perplexity") }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    StepProgress.finish()
    var definition = try corpus.definition(
      scoring, tokenizer: Digest.of(file: folder.directory.appending(path: "tokenizer.json")),
      compute: compute.mode)
    if runsPacked { definition = ["execution": "packed", "unpacked": definition] }
    try StandardOutput.write(
      table(of: result, definition, seconds: seconds).singleRowText(format.format))
  }

  /// 8-bit activations always do.
  private var runsPacked: Bool { packed && compute.mode.activations == .exact }

  private var corpus: EvaluateStage.Corpus {
    EvaluateStage.Corpus(
      name: text.text, url: text.url, format: text.window.textFormat, context: text.window.context,
      convention: convention, stride: stride)
  }

  private func table(
    of result: Perplexity, _ definition: JSONValue, seconds: Double
  ) -> DataTable {
    let special: [(String, JSONValue)] =
      switch result.scoring {
      case .gptqWindows: []
      case .llamaCpp:
        [("naiveStandardError", result.naiveStandardError.map { JSONValue($0) } ?? .null)]
      case .strided(_, let stride): [("stride", JSONValue(stride))]
      case .rolling:
        [("wordPerplexity", result.wordPerplexity.map { JSONValue($0) } ?? .null)]
      }
    let cells: [(String, JSONValue)] =
      [
        ("perplexity", JSONValue(result.perplexity)),
        ("bitsPerByte", JSONValue(result.bitsPerByte)),
      ] + special + [
        ("protocol", JSONValue(result.scoring.name)),
        ("definition", JSONValue(Digest.shortName(of: CanonicalJSON.data(definition)))),
        ("windows", JSONValue(result.windowLosses.count)),
        ("scoredTokens", JSONValue(result.scoredTokens)),
        ("context", JSONValue(text.window.context)),
        ("compute", JSONValue((runsPacked ? "packed+" : "") + compute.mode.rawValue)),
        ("seconds", JSONValue(seconds)),
        ("tokensPerSecond", JSONValue(Double(result.forwardTokens) / seconds)),
      ]
    var table = DataTable(cells.map(\.0))
    table.append(cells.map(\.1))
    return table
  }
}

extension PerplexityConvention: ExpressibleByArgument {}
