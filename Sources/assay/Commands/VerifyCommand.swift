import ArgumentParser
import Experiments
import Foundation
import JSON

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Recompute published results from published inputs.",
    discussion: """
      Prints a line for each: HAWQ-V3's nine ResNet-18 configurations, bits of Mixtral-8x7B under
      several ledgers, exllamav2's size formula, golden rows of GPTQ; with --measurements also PMQ's
      288 published layers of real Mixtral, its nine global optima, and optima of an independent
      solver. Exit code 4 if one differs.

      Examples:
        assay verify --published
        assay verify --published --measurements ../shared/data/measurements
      """)

  @Flag(help: "Against published results; the only kind there is.")
  var published = false

  @Option(help: "Folder of published measurements of real Mixtral.", completion: .directory)
  var measurements: String?

  @OptionGroup var format: FormatOption

  func validate() throws {
    guard published else { throw ValidationError("Say what to verify against: --published.") }
  }

  func run() throws {
    let checks = try PublishedResults.checks(measurements: measurements.map { URL(filePath: $0) })
    var rows = DataTable(["source", "quantity", "published", "found", "outcome"])
    for check in checks {
      rows.append(
        [check.source, check.quantity, check.published, check.found, check.outcome.rawValue]
          .map { JSONValue($0) })
    }
    try StandardOutput.write(rows.text(format.format))
    let held = checks.count { $0.outcome == .reproduced }
    let differing = checks.count { $0.outcome == .differs }
    if format.format == .text {
      try StandardOutput.writeLine(
        "\(held) of \(held + differing) published results reproduced, "
          + "\(checks.count - held - differing) skipped.")
    }
    if differing > 0 { throw ExitCode(4) }
  }
}
