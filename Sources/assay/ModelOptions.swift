import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import Tensors

/// The number format of a forward pass.
struct ComputeOption: ParsableArguments {
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case auto, f32, bf16
  }

  @Option(help: "Matrix products in f32 or bf16; auto takes bf16 where the CPU has it.")
  var compute = Choice.auto

  var precision: Precision {
    switch compute {
    case .auto: .fastest
    case .f32: .f32
    case .bf16: .bf16
    }
  }
}

extension TextFormat: ExpressibleByArgument {}

/// A text to run a model on.
struct TextOptions: ParsableArguments {
  @Option(help: "Text file, plain or .gz.", completion: .file())
  var text: String

  @Option(help: "text: as it is; wikitext: rows joined as GPTQ's evaluation does.")
  var textFormat = TextFormat.text

  @Option(help: "Tokens in a window.")
  var context = 512

  var url: URL { URL(filePath: text) }

  func validate() throws {
    guard context >= 2 else {
      throw ValidationError("--context \(context): a window needs at least 2 tokens.")
    }
  }
}

/// Runs the body of a stage outside of an experiment.
enum SingleStage {
  /// Writes into a temporary folder that becomes `output`, which must not exist or be empty, when the
  /// body returns.
  static func write(to output: URL, _ body: (StageContext) throws -> Void) throws {
    let files = FileManager.default
    if let content = try? files.contentsOfDirectory(atPath: output.path), !content.isEmpty {
      throw ValidationError("--out \(output.path): the folder is not empty; name a new one.")
    }
    let parent = output.absoluteURL.deletingLastPathComponent()
    try files.createDirectory(at: parent, withIntermediateDirectories: true)
    let temporary = parent.appending(
      path: ".\(output.lastPathComponent).tmp-\(ProcessInfo.processInfo.processIdentifier)",
      directoryHint: .isDirectory)
    try files.createDirectory(at: temporary, withIntermediateDirectories: false)
    do {
      try body(StageContext(directory: temporary, inputs: [:], progress: StepProgress.show))
      StepProgress.finish()
      try? files.removeItem(at: output)
      try files.moveItem(at: temporary, to: output)
    } catch {
      try? files.removeItem(at: temporary)
      throw error
    }
  }
}

/// One line on the terminal that says how far a single step is; nothing elsewhere.
enum StepProgress {
  private static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  @Sendable static func show(_ fraction: Double, _ note: String) {
    guard isTerminal else { return }
    let percent = Int((fraction * 100).rounded())
    FileHandle.standardError.write(Data("\r\u{1B}[K\(percent) %  \(note)".utf8))
  }

  static func finish() {
    guard isTerminal else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
  }
}
