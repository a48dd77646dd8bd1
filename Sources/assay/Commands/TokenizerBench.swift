import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import JSON

struct TokenizerBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Time a tokenizer on a text.",
    discussion: """
      One thread; reading files is left out. The digest is SHA-256 of the ids as little-endian 32-bit
      numbers. experiments/benchmarks/tokenizer.sh compares with the tokenizers package.

      Example:
        assay bench tokenizer models/olmoe/tokenizer.json --text wikitext2_test.gz
      """)

  @Argument(help: "tokenizer.json.", completion: .file())
  var tokenizer: String

  @Option(help: "Text file, plain or .gz; bytes that are not UTF-8 become U+FFFD.")
  var text: String

  @OptionGroup var format: FormatOption

  func run() throws {
    let tokenizer = try Tokenizer(URL(filePath: tokenizer))
    let text = try TextCorpus(URL(filePath: text), format: .text).text
    let start = ContinuousClock.now
    let ids = tokenizer.encode(text)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let digest = Digest.of(ids.withUnsafeBytes { Data($0) })
    var table = DataTable(["seconds", "bytes", "tokens", "megabytesPerSecond", "digest"])
    let bytes = text.utf8.count
    table.append([
      JSONValue(seconds), JSONValue(bytes), JSONValue(ids.count),
      JSONValue(Double(bytes) / seconds / 1e6), JSONValue(digest),
    ])
    try StandardOutput.write(table.singleRowText(format.format))
  }
}
