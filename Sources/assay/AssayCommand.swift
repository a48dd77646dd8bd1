import ArgumentParser
import Foundation

/// The command line of Assay.
@main
struct AssayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "assay",
    abstract: "Research on mixed-precision quantization of mixture-of-experts language models.",
    discussion: """
      One JSON file declares an experiment; one command runs it, goes on where it stopped, and \
      repeats nothing that is done.

        assay plan experiments/main-table.json
        assay run experiments/main-table.json
        assay results main-table --format md

      Exit codes: 0 done, 1 internal error, 2 bad input, 3 some points failed, 4 drift
      found by --check, 130 interrupted.
      """,
    subcommands: [
      RunCommand.self, PlanCommand.self, StatusCommand.self, ResultsCommand.self,
      ShowCommand.self, ReportCommand.self, ExplainCommand.self, InspectCommand.self,
      PerplexityCommand.self, DivergenceCommand.self, EvaluateCommand.self,
      GenerateCommand.self,
      CalibrateCommand.self, GradientsCommand.self, MeasureCommand.self, AllocateCommand.self,
      QuantizeCommand.self, ImportCommand.self, ExportCommand.self, StructureCommand.self,
      CoverageCommand.self, CompareCommand.self, VerifyCommand.self, BenchCommand.self,
      DoctorCommand.self, ReindexCommand.self,
    ])

  /// As ArgumentParser's own `main`, with the exit codes of this program.
  static func main() {
    StandardOutput.reserveDescriptors()
    LibraryEnvironment.prepare()
    // A write beyond the limit on file sizes fails with a message, as on a full disk.
    signal(SIGXFSZ, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Failure.exit(with: error, of: Self.self)
    }
  }
}
