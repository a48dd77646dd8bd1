import ArgumentParser
import Experiments
import Foundation

struct LmEvalExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lm-eval", abstract: "Write a run's tasks in the layout of lm-eval's results.",
    discussion: """
      Writes MODEL/results_TIME-RUN.json and MODEL/samples_TASK_TIME-RUN.jsonl for tasks that have
      definitions, under lm-eval's names; subjects of MMLU are tasks of a group. Several runs may go
      into one folder. Prompts are made anew from the definitions and rows that the run read; --folder
      says where its spec lies. Hashes of prompts and targets are lm-eval's; those of documents and
      tasks too, but for hellaswag, boolq and lambada_openai, where lm-eval changes the row first.

      Example:
        assay export lm-eval main-table-4f0c2mxa7k --out lm-eval-output
      """)

  @Argument(help: "The run's name.")
  var name: String

  @Option(help: "The folder to write to.", completion: .directory)
  var out: String

  @Option(help: "The folder of the run's spec.", completion: .directory)
  var folder = "experiments"

  @OptionGroup var workspace: WorkspaceOption

  func run() throws {
    guard let result = workspace.value.run(name).result() else {
      throw StoreError.noSuchRun(name)
    }
    try OutputPlace.check(URL(filePath: out), mayBeEmptyFolder: true, mayHoldFiles: true)
    let export = try LmEvalExport(
      result, folder: URL(filePath: folder), in: workspace.value)
    for file in try export.write(to: URL(filePath: out)) {
      try StandardOutput.writeLine("wrote \(file.relativePath)")
    }
  }
}
