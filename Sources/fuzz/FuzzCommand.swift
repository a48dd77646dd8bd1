import ArgumentParser
import Foundation

/// Feeds mutated files to every reader and reports what traps, hangs or eats memory.
@main
struct FuzzCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz",
    abstract: "Feeds mutated files to the readers; no input may trap, hang or take 2 GB.",
    discussion: """
      Input i of a target depends on the seed, the target and i alone. Run it in the repository's
      root, where the corpus lies. Exit code 1 if anything was found; the inputs are kept in --out.
      """)

  @Option(help: "One of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")), or all.")
  var target = "all"

  @Option(help: "Inputs in all, shared out among the targets.")
  var inputs = 1_000_000

  @Option(help: "Seed of every choice.")
  var seed: UInt64 = 1

  @Option(help: "Folder for inputs that were found.")
  var out = "/tmp/assay-fuzz"

  @Option(help: "Feed one file to the target, without mutation.")
  var replay: String?

  @Option(help: .hidden) var record: String?
  @Option(help: .hidden) var first = 0

  func run() throws {
    let targets = target == "all" ? FuzzTarget.allCases : [try named(target)]
    if let replay {
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: replay)))
      return try Feeding(try named(target)).report(bytes)
    }
    if let record {
      return try FuzzChild(target: try named(target), seed: seed, record: InputRecord(record))
        .run(first..<inputs)
    }
    let share = (inputs + targets.count - 1) / targets.count
    let outcomes = try targets.map {
      try FuzzParent(target: $0, seed: seed, inputs: share, folder: URL(filePath: out)).run()
    }
    FuzzOutcome.printTable(outcomes)
    if outcomes.contains(where: { $0.findings > 0 }) { throw ExitCode.failure }
  }

  private func named(_ name: String) throws -> FuzzTarget {
    guard let target = FuzzTarget(rawValue: name) else {
      throw ValidationError("--target \(name): there is no such target.")
    }
    return target
  }
}
