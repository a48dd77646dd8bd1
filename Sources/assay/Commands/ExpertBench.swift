import ArgumentParser
import Evaluation
import Experiments
import Foundation
import JSON
import Statistics
import Tensors

/// Experts of published models.
enum ExpertShape: String, ExpressibleByArgument, CaseIterable {
  case mixtral, olmoe

  var hidden: Int { self == .mixtral ? 4096 : 2048 }
  var neurons: Int { self == .mixtral ? 14_336 : 1024 }
}

struct ExpertBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "experts", abstract: "Time made-up experts in every form, without a checkpoint.",
    discussion: """
      One token, and a prompt, through experts of a model's size that are made up in memory. For each
      width b:

        full precision    dense products in f32, and in bf16 where the CPU has it
        uniform           all neurons at b bits
        experts mixed     a pair of experts of b − 1 and b + 1 bits; times and bytes of one
        neurons mixed     half of the neurons at b − 1 bits and half at b + 1
        dense and sparse  b bits, and 0.45 % of the weights beside them in a sparse part

      All take turns within a repeat, and weights come from memory. Ratios are of times, to the uniform
      expert of the same repeat; medians, and between low and high the 95 % interval of order statistics.
      With int8 activations the packed experts take inputs of 8 bits; full precision stays as it is.

      Examples:
        assay bench experts --shape mixtral --bits 3 --bits 4
        assay bench experts --shape olmoe --activations int8 --threads 2 --out experts.json
      """)

  @Option(help: "mixtral (4096 × 14336) or olmoe (2048 × 1024).")
  var shape = ExpertShape.mixtral

  @Option(help: "Bits of the uniform expert, 2 to 7; may be given several times.")
  var bits: [Int] = [2, 3, 4]

  @Option(help: "Tokens of the prompt; 0 leaves it out.")
  var prompt = 128

  @Option(help: "Inputs of packed products: exact or int8.")
  var activations = Activations.exact

  @Option(help: "Threads; those that the environment gives if left out.")
  var threads: Int?

  @Option(help: "Turns that count; intervals need 6.")
  var repeats = 21

  @Option(help: "JSON file to write as well, with the machine.", completion: .file())
  var out: String?

  @OptionGroup var format: FormatOption

  func validate() throws {
    guard !bits.isEmpty, bits.allSatisfy({ (2...7).contains($0) }), repeats > 0,
      (0...65_536).contains(prompt), (1...256).contains(threads ?? 1)
    else {
      throw ValidationError(
        "--bits takes 2 to 7, --repeats at least 1, --prompt 0 to 65536, --threads 1 to 256.")
    }
  }

  func run() throws {
    let output = out.map { URL(filePath: $0) }
    if let output { try OutputPlace.check(output, mayBeEmptyFolder: false) }
    var benchmark = ExpertBenchmark()
    (benchmark.hidden, benchmark.neurons) = (shape.hidden, shape.neurons)
    (benchmark.bits, benchmark.repeats) = (bits, repeats)
    (benchmark.prompt, benchmark.activations) = (prompt, activations)
    let (rows, machine) = withThreads(threads) {
      (benchmark.measure(), SpeedMachine.current.sentence)
    }
    let table = table(of: rows)
    StepProgress.finish("measured on \(machine)")
    try StandardOutput.write(table.text(format.format))
    guard let output else { return }
    let record: JSONValue = [
      "shape": JSONValue(shape.rawValue), "prompt": JSONValue(prompt),
      "activations": JSONValue(activations.rawValue), "repeats": JSONValue(repeats),
      "machine": JSONValue(machine), "rows": table.json,
    ]
    try SingleStage.write(file: output) { url, _ in try PrettyJSON.data(record).write(to: url) }
  }

  private func table(of rows: [ExpertBenchmark.Row]) -> DataTable {
    let measures =
      ["decodeMilliseconds", "decodeTimeRatio"]
      + (prompt > 0 ? ["prefillTokensPerSecond", "prefillTimeRatio"] : [])
    var table = DataTable(
      ["shape", "bits", "expert", "bytesPerToken", "heldBytes"]
        + measures.flatMap { [$0, "\($0)Low", "\($0)High"] })
    for row in rows {
      let prefill = [row.prefill.map { Double(prompt) / $0 }, row.prefillRatio]
      let values = [row.decode.map { 1000 * $0 }, row.decodeRatio] + (prompt > 0 ? prefill : [])
      table.append(
        [
          JSONValue(shape.rawValue), JSONValue(row.bits), JSONValue(row.subject.name),
          JSONValue(row.bytesPerToken), JSONValue(row.heldBytes),
        ] + values.flatMap(MedianEstimate.cells))
    }
    return table
  }
}

extension Activations: ExpressibleByArgument {}

struct ProductBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "products", abstract: "Time packed matrix-vector products of an expert's size.",
    discussion: """
      Against a plain read of the same bytes and against bfloat16 weights of the same shape, in one
      run; medians of the repeats, ratios within a repeat. OLMoE's matrices are small enough to
      stay in a processor's caches between two repeats; Mixtral's are not.

      Example:
        assay bench products --shape mixtral --bits 2 --bits 4 --threads 2
      """)

  @Option(help: "mixtral (4096 × 14336) or olmoe (2048 × 1024).")
  var shape = ExpertShape.mixtral

  @Option(help: "Bits, 1 to 8; may be given several times.")
  var bits: [Int] = [2, 3, 4, 8]

  @Option(help: "Threads; may be given several times.")
  var threads: [Int] = [1, 2]

  @Option(help: "Turns that count.")
  var repeats = 15

  @OptionGroup var format: FormatOption

  func validate() throws {
    guard bits.allSatisfy({ (1...8).contains($0) }), threads.allSatisfy({ (1...256).contains($0) }),
      repeats > 0
    else {
      throw ValidationError("--bits takes 1 to 8, --threads 1 to 256, --repeats at least 1.")
    }
  }

  func run() throws {
    var benchmark = PackedBenchmark()
    benchmark.shapes = [(shape.neurons, shape.hidden), (shape.hidden, shape.neurons)]
    (benchmark.bits, benchmark.threads, benchmark.repeats) = (bits, threads, repeats)
    var table = DataTable([
      "rows", "columns", "threads", "bits", "bytes", "milliseconds", "gigabytesPerSecond",
      "fractionOfReadRate", "speedupOverBFloat16",
    ])
    for row in benchmark.measure() {
      table.append([
        JSONValue(row.rows), JSONValue(row.columns), JSONValue(row.threads), JSONValue(row.bits),
        JSONValue(row.bytes), JSONValue(row.milliseconds), JSONValue(row.gigabytesPerSecond),
        JSONValue(row.fractionOfReadRate), JSONValue(row.speedupOverBFloat16),
      ])
    }
    try StandardOutput.write(table.text(format.format))
  }
}
