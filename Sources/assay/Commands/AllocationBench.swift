import ArgumentParser
import BitAllocation
import Experiments
import Foundation
import JSON

struct AllocationBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allocate", abstract: "Time an allocator on a table.",
    discussion: """
      Median over repeats; reading the table is left out, and so is what searches are shown beside.
      experiments/benchmarks/allocators.sh compares with PuLP and NumPy.

      Examples:
        assay bench allocate table.json --allocator hawq-ilp --budget 2.5
        assay bench allocate table.json --allocator evolutionary --generations 2000 --population 128
      """)

  @Argument(help: "Sensitivity table.", completion: .file(extensions: ["h5", "json"]))
  var table: String

  @Option(help: "Name of the allocator.")
  var allocator = "exact"

  @Option(help: "Mean code bits of experts.")
  var budget = 2.5

  @Option(help: "Runs whose median counts.")
  var repeats = 5

  @OptionGroup(title: "Searches") var search: SearchOptionGroup

  @OptionGroup var format: FormatOption

  func validate() throws {
    guard repeats > 0 else { throw ValidationError("--repeats \(repeats): give at least 1.") }
  }

  func run() throws {
    let timing = try AllocationTiming(
      of: allocator,
      AllocationProblem(
        table: SensitivityTable(reading: URL(filePath: table)),
        budget: Budget(bounds: [Budget.Bound(.experts, budget)])),
      options: search.options, repeats: repeats)
    try StandardOutput.write(timing.table(neurons: nil).singleRowText(format.format))
  }
}

struct NeuronBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "neurons", abstract: "Time exact allocation of made-up neurons, in memory.",
    discussion: """
      By default as many as Mixtral-8x7B has: 256 experts of 14,336 neurons, at five bit-widths.

      Example:
        assay bench neurons --experts 64 --neurons 1408
      """)

  @Option(help: "Experts.")
  var experts = 256

  @Option(help: "Neurons of each expert.")
  var neurons = 14336

  @Option(help: "Bits, rising, separated by commas.")
  var levels = "1,2,3,4,6"

  @Option(help: "Mean code bits.")
  var budget = 2.5

  @Option(help: "Runs whose median counts.")
  var repeats = 3

  @Option(help: "Seed of the table.")
  var seed: UInt64 = 0

  @OptionGroup var format: FormatOption

  func validate() throws {
    guard (1...1 << 16).contains(experts), (1...1 << 20).contains(neurons),
      experts * neurons <= 1 << 28
    else {
      throw ValidationError(
        "--experts \(experts) --neurons \(neurons): give at least 1 of each, and at most 2^28 in all."
      )
    }
    guard repeats > 0 else { throw ValidationError("--repeats \(repeats): give at least 1.") }
    _ = try bits
  }

  private var bits: [Int] {
    get throws {
      let set = try SpecRange.levels(levels, "--levels")
      guard set.levels.allSatisfy({ $0.parts.count == 1 }) else {
        throw ValidationError("--levels \(levels): neurons have whole bits.")
      }
      return set.wholeBits
    }
  }

  func run() throws {
    let table = try NeuronTable.synthetic(
      experts: experts, neurons: neurons, bits: bits, seed: seed)
    let timing = try AllocationTiming(ofNeurons: table, budget: budget, repeats: repeats)
    try StandardOutput.write(
      timing.table(neurons: table.neurons).singleRowText(format.format))
  }
}

extension AllocationTiming {
  fileprivate func table(neurons: Int?) -> DataTable {
    var cells: [(String, JSONValue)] = [
      ("seconds", JSONValue(seconds)), ("objective", JSONValue(objective)),
      ("lowerBound", JSONValue(lowerBound)),
    ]
    if let neurons { cells.insert(("neurons", JSONValue(neurons)), at: 0) }
    if let generationsPerSecond {
      cells.append(("generationsPerSecond", JSONValue(generationsPerSecond)))
    }
    var table = DataTable(cells.map(\.0))
    table.append(cells.map(\.1))
    return table
  }
}
