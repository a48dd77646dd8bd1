import ArgumentParser
import Checkpoints
import Experiments
import Foundation

struct ExportCheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Write a quantized folder as a plain Hugging Face checkpoint.",
    discussion: """
      Weights are dequantized, with the neurons of mixed experts back in their places, and stored
      as bfloat16 under the names of the original model: `transformers` loads the folder as it is.
      What was not quantized is copied byte for byte.

      With --dtype bf16 the perplexity of the export equals, to the last digit, that of the quantized
      folder measured with --compute bf16, where the same weights are rounded to bfloat16 before
      products; with --dtype f32 it equals that of --compute f32 (load it with dtype=float32).

      Examples:
        assay export checkpoint mixtral-2.5bit --out mixtral-2.5bit-hf
        assay perplexity mixtral-2.5bit-hf --text test.txt --compute bf16
      """)

  @Argument(help: "Folder that `assay quantize` wrote.", completion: .directory)
  var quantized: String

  @Option(help: "Folder to write.", completion: .directory)
  var out: String

  @Option(help: "Type of the dequantized weights: bf16 or f32.")
  var dtype = DequantizedExport.Precision.bf16

  @Option(help: "Gigabytes of weights in a file at most.")
  var shardSize = 5.0

  func validate() throws {
    // A byte at least, and no more than an Int of bytes holds.
    guard shardSize >= 1e-9, shardSize <= 1e9 else {
      throw ValidationError("--shard-size \(shardSize) is out of range; allowed is 1e-9...1e9.")
    }
  }

  func run() throws {
    let folder = URL(filePath: quantized)
    guard QuantizedCheckpoint.isQuantized(folder) else {
      throw UnusableArgument(
        "\(quantized): there is no \(QuantizedCheckpoint.fileName); give a folder that `assay quantize` "
          + "wrote.")
    }
    let checkpoint = try QuantizedCheckpoint(folder)
    let export = DequantizedExport(
      checkpoint, precision: dtype, shardBytes: Int(shardSize * 1e9))
    try SingleStage.write(to: URL(filePath: out)) { context in
      try export.write(to: context.directory) {
        context.progress(Double($0) / Double(max($1, 1)), "tensor \($0) of \($1)")
      }
    }
  }
}

extension DequantizedExport.Precision: ExpressibleByArgument {}
