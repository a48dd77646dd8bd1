import Foundation

extension Provenance {
  /// The machine and program of this process and the commit of `folder`, `started` now; `finished` is
  /// set by whoever finishes.
  static func capture(
    folder: URL, threads: Int, libraries: [String: String]
  ) -> Provenance {
    let now = Date.now.formatted(.iso8601)
    return Provenance(
      program: program, commit: commit(of: folder), host: hostName(), cpu: cpuModel(),
      threads: threads,
      libraries: libraries, started: now, finished: now)
  }

  /// The same machine and program, with the times of one piece of work.
  func timed(from start: Date) -> Provenance {
    var copy = self
    copy.started = start.formatted(.iso8601)
    copy.finished = Date.now.formatted(.iso8601)
    return copy
  }

  /// `gethostname`; Foundation's host name asks a name server.
  static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  static func cpuModel() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    return name ?? "unknown"
  }

  /// Digest of the running program, whose own commit cannot be known; read once.
  private static let program = try? Digest.of(file: URL(filePath: "/proc/self/exe"))

  /// Commit of a folder; generated folders do not make it dirty.
  private static func commit(of folder: URL) -> String {
    guard let commit = git(["rev-parse", "HEAD"], in: folder), !commit.isEmpty else {
      return "unknown"
    }
    let changes = git(
      [
        "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)reports",
        ":(top,exclude)notebooks-export",
      ], in: folder)
    return changes?.isEmpty ?? false ? commit : commit + "-dirty"
  }

  private static func git(_ arguments: [String], in folder: URL) -> String? {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["git", "-C", folder.path] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = (try? output.fileHandleForReading.readToEnd()) ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
