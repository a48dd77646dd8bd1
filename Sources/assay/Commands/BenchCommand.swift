import ArgumentParser
import Checkpoints
import Foundation
import JSON
import Quantization
import Tensors

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Time a piece of the program on given numbers.",
    subcommands: [
      GPTQBench.self, TokenizerBench.self, AllocationBench.self, NeuronBench.self,
      SpeedBench.self, ProductBench.self, ExpertBench.self, SpeedWorkerCommand.self,
    ])
}

struct GPTQBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gptq", abstract: "Time GPTQ of one matrix, factorization included.",
    discussion: """
      Reads the F32 tensors `weights` [rows, columns] and `hessian` [columns, columns] of a
      safetensors file. experiments/benchmarks/gptq.sh compares with PyTorch.

      Example:
        assay bench gptq problem.safetensors --bits 4 --group-size 128
      """)

  @Argument(help: "Safetensors file.", completion: .file(extensions: ["safetensors"]))
  var problem: String

  @Option(help: "Bits of a code.")
  var bits = 4

  @Option(help: "Weights that share a scale.")
  var groupSize = 128

  @OptionGroup var format: FormatOption

  func validate() throws {
    try SpecRange.check(groupSize, "--group-size", as: "quantizer.groupSize")
  }

  func run() throws {
    let file = try SafeTensorsFile(URL(filePath: problem))
    let grid = try AffineGrid(
      bits: bits, groupSize: groupSize, symmetric: false, scaleRounding: .exact)
    let timing = try GPTQTiming(
      of: GPTQ(grid: grid), weights: try Self.matrix("weights", in: file),
      hessian: SymmetricMatrix(lowerTriangleOf: try Self.matrix("hessian", in: file)))
    var table = DataTable(["seconds", "factorSeconds", "processorSeconds", "loss"])
    table.append(
      [timing.seconds, timing.factorSeconds, timing.processorSeconds, timing.loss]
        .map { JSONValue($0) })
    try StandardOutput.write(table.singleRowText(format.format))
  }

  private static func matrix(_ name: String, in file: SafeTensorsFile) throws -> Matrix {
    guard let info = file.tensors[name], info.shape.count == 2, info.dtype == .float32 else {
      throw CheckpointError.missingTensor(directory: file.path, tensor: "\(name) (F32, 2-D)")
    }
    return try file.matrix(name, rows: info.shape[0], columns: info.shape[1])
  }
}
