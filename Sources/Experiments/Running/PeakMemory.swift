import Foundation

/// The largest resident memory of this process, from `/proc/self/status`.
struct PeakMemory: Sendable, Equatable {
  enum Scope: String, Sendable {
    case stage, process
  }

  var bytes: Int
  /// `process` where the kernel did not let us start a new count.
  var scope: Scope

  /// Starts a new count (`5` to `/proc/self/clear_refs`).
  static func reset() -> Scope {
    let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return .process }
    defer { close(descriptor) }
    return write(descriptor, "5", 1) == 1 ? .stage : .process
  }

  /// `VmHWM`; 0 where there is no `/proc`.
  static func read(_ scope: Scope) -> PeakMemory {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let kibibytes = line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first
    return PeakMemory(bytes: (kibibytes.flatMap { Int($0) } ?? 0) * 1024, scope: scope)
  }
}
