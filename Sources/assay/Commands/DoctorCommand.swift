import ArgumentParser
import Evaluation
import Experiments
import Foundation
import HDF5
import JSON
import Tensors

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check this machine and the workspace.",
    discussion: """
      Exit code 2 if something is missing that Assay needs; notes are for your information.

      Example:
        assay doctor
      """)

  @OptionGroup var workspace: WorkspaceOption
  @OptionGroup var format: FormatOption

  func run() throws {
    let checks = [
      instructionCheck(), openBLASCheck(), versionCheck("HDF5", hdf5Version), sqliteCheck(),
      memoryCheck(), gnuplotCheck(), sandboxCheck(), workspaceCheck(), indexCheck(),
    ]
    var table = DataTable(["check", "state", "found", "remedy"])
    for check in checks {
      table.append([
        JSONValue(check.name), JSONValue(check.state.rawValue), JSONValue(check.found),
        JSONValue(check.remedy),
      ])
    }
    try StandardOutput.write(table.text(format.format))
    if checks.contains(where: { $0.state == .broken }) { throw Failure.badInput }
  }

  private struct Check {
    enum State: String { case good, note, broken }
    var name: String
    var state: State
    var found: String
    var remedy = ""
  }

  private func versionCheck(_ name: String, _ version: String) -> Check {
    Check(name: name, state: .good, found: version)
  }

  private func instructionCheck() -> Check {
    let found = "\(instructionSet), \(threadCount) threads, oneDNN \(oneDNNVersion)"
    return Precision.fastest == .bf16
      ? Check(name: "matrix products", state: .good, found: found)
      : Check(
        name: "matrix products", state: .note, found: found,
        remedy: "no bf16 instructions: compute auto means f32 here")
  }

  private func openBLASCheck() -> Check {
    Check(name: "OpenBLAS kernel", state: .good, found: openBLASKernel)
  }

  /// SQLite before 3.51.3 can corrupt a database in WAL mode that several processes write; Assay has
  /// one writer and a rebuildable index.
  private func sqliteCheck() -> Check {
    let isFixed = sqliteVersion.compare("3.51.3", options: .numeric) != .orderedAscending
    return Check(
      name: "SQLite", state: isFixed ? .good : .note, found: sqliteVersion,
      remedy: isFixed ? "" : "WAL-reset bug before 3.51.3; one writer avoids it")
  }

  private func memoryCheck() -> Check {
    let gigabytes = Double(ProcessInfo.processInfo.physicalMemory) / 1e9
    return Check(name: "memory", state: .good, found: "\(Int(gigabytes.rounded())) GB")
  }

  private func gnuplotCheck() -> Check {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let found = folders.map { "\($0)/gnuplot" }.first(where: FileManager.default.isExecutableFile)
    return found.map { Check(name: "gnuplot", state: .good, found: $0) }
      ?? Check(
        name: "gnuplot", state: .broken, found: "not on PATH",
        remedy: "apt-get install gnuplot-nox; reports need it for figures")
  }

  /// Only HumanEval needs it, and refuses to run without.
  private func sandboxCheck() -> Check {
    do {
      _ = try Sandbox()
      return Check(name: "sandbox", state: .good, found: "bubblewrap, prlimit, python3")
    } catch {
      return Check(
        name: "sandbox", state: .broken, found: "no program can be run in it",
        remedy: ErrorText.line(error))
    }
  }

  private func indexCheck() -> Check {
    let path = workspace.value.index.path
    guard FileManager.default.fileExists(atPath: path) else {
      return Check(name: "index", state: .note, found: "none yet")
    }
    do {
      guard let damage = try Index(workspace.value).damage() else {
        return Check(name: "index", state: .good, found: "intact")
      }
      return Check(
        name: "index", state: .broken, found: "\(damage)", remedy: "assay reindex")
    } catch {
      return Check(
        name: "index", state: .broken, found: ErrorText.line(error),
        remedy: "move \(path) away, then assay reindex")
    }
  }

  private func workspaceCheck() -> Check {
    let root = workspace.value.root
    let files = FileManager.default
    let probe = root.appending(path: ".doctor-\(ProcessInfo.processInfo.processIdentifier)")
    do {
      try files.createDirectory(at: root, withIntermediateDirectories: true)
      try Data("probe".utf8).write(to: probe)
      try files.removeItem(at: probe)
      return Check(name: "workspace", state: .good, found: root.path)
    } catch {
      return Check(
        name: "workspace", state: .broken, found: ErrorText.line(error),
        remedy: "choose a writable folder with --workspace")
    }
  }
}
