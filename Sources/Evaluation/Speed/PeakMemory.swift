import Foundation

/// The largest resident memory of this process while something ran, a stage say, from
/// `/proc/self/status`: the program, its libraries and the mapped pages of model files are in it, what
/// was freed before is not.
package struct PeakMemory: Sendable, Equatable {
  package enum Scope: String, Sendable {
    case stage, process
  }

  package var bytes: Int
  /// `process` where the kernel did not let us start a new count.
  package var scope: Scope

  package init(bytes: Int, scope: Scope) { (self.bytes, self.scope) = (bytes, scope) }

  /// Gives freed memory back to the system and starts a new count (`5` to `/proc/self/clear_refs`).
  package static func reset() -> Scope {
    trimHeap()
    let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return .process }
    defer { close(descriptor) }
    return write(descriptor, "5", 1) == 1 ? .stage : .process
  }

  /// `malloc_trim(0)`, which the module of the C library does not show: without it, memory that an
  /// earlier stage used and freed would count for this one.
  private static func trimHeap() {
    // SAFETY: glibc declares `int malloc_trim(size_t)`; nil where the symbol is absent.
    guard let symbol = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> CInt).self)(0)
  }

  /// `VmHWM`; 0 where there is no `/proc`.
  package static func read(_ scope: Scope) -> PeakMemory {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let kibibytes = line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first
    return PeakMemory(bytes: (kibibytes.flatMap { Int($0) } ?? 0) * 1024, scope: scope)
  }
}
