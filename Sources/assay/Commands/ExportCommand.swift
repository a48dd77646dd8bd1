import ArgumentParser

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write results in the form of other programs.",
    subcommands: [ExportCheckpointCommand.self, LmEvalExportCommand.self])
}
