import ArgumentParser
import Experiments

struct ReindexCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reindex", abstract: "Write the index anew from the run folders.",
    discussion: """
      The index holds nothing that the folders do not; run folders copied in from another machine \
      are found this way.

      Example:
        assay reindex
      """)

  @OptionGroup var workspace: WorkspaceOption

  func run() throws {
    try workspace.warnOfDamage()
    try StandardOutput.writeLine("\(try Index(workspace.value).rebuild()) runs indexed")
  }
}
