import Foundation

extension Provenance {
  /// The machine and program of this process, `started` now; `finished` is set by whoever finishes.
  static func capture(threads: Int, libraries: [String: String]) -> Provenance {
    let now = Date.now.formatted(.iso8601)
    return Provenance(
      commit: commit(), host: hostName(), cpu: cpuModel(), threads: threads,
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
  private static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private static func cpuModel() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    return name ?? "unknown"
  }

  /// Commit of the working directory; generated folders do not make it dirty.
  private static func commit() -> String {
    guard let commit = git(["rev-parse", "HEAD"]), !commit.isEmpty else { return "unknown" }
    let changes = git([
      "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)reports",
      ":(top,exclude)notebooks-export",
    ])
    return changes?.isEmpty ?? false ? commit : commit + "-dirty"
  }

  private static func git(_ arguments: [String]) -> String? {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["git"] + arguments
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
