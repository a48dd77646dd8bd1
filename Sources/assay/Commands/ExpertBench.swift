import ArgumentParser
import Evaluation
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
    commandName: "experts", abstract: "Time experts of mixed neurons beside uniform ones.",
    discussion: """
      One token through a made-up expert of a model's size, from packed weights: all neurons at b
      bits, and half of them at b − 1 and half at b + 1, which are as many bytes. Copies take turns,
      so that weights come from memory. The ratio is mixed to uniform time within a repeat; medians,
      and between low and high the 95 % interval of order statistics.

      Example:
        assay bench experts --shape mixtral --bits 3 --bits 4
      """)

  @Option(help: "mixtral (4096 × 14336) or olmoe (2048 × 1024).")
  var shape = ExpertShape.mixtral

  @Option(help: "Bits of the uniform expert, 2 to 7; may be given several times.")
  var bits: [Int] = [2, 3, 4]

  @Option(help: "Turns that count; intervals need 6.")
  var repeats = 21

  @OptionGroup var format: FormatOption

  func validate() throws {
    guard bits.allSatisfy({ (2...7).contains($0) }), repeats > 0 else {
      throw ValidationError("--bits takes 2 to 7, --repeats at least 1.")
    }
  }

  func run() throws {
    var benchmark = ExpertBenchmark()
    (benchmark.hidden, benchmark.neurons) = (shape.hidden, shape.neurons)
    (benchmark.bits, benchmark.repeats) = (bits, repeats)
    var table = DataTable([
      "shape", "bits", "mixture", "uniformBytes", "mixedBytes", "uniformSeconds", "mixedSeconds",
      "ratio", "ratioLow", "ratioHigh",
    ])
    for row in benchmark.measure() {
      table.append(
        [
          JSONValue(shape.rawValue), JSONValue(row.bits),
          JSONValue(row.mixture.map { "\($0)" }.joined(separator: "+")),
          JSONValue(row.uniformBytes), JSONValue(row.mixedBytes),
          MedianEstimate.cells(row.uniformSeconds)[0], MedianEstimate.cells(row.mixedSeconds)[0],
        ] + MedianEstimate.cells(zip(row.mixedSeconds, row.uniformSeconds).map { $0 / $1 }))
    }
    try StandardOutput.write(table.text(format.format))
  }
}

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
