import Foundation
import Synchronization

/// Shows a run on standard error: one live line on a terminal, plain lines elsewhere.
public final class ProgressDisplay: Sendable {
  public enum Style: Sendable {
    case live, lines, quiet

    /// `live` on a terminal, `lines` elsewhere.
    public static func automatic(quiet: Bool) -> Style {
      if quiet { return .quiet }
      return isatty(STDERR_FILENO) == 1 ? .live : .lines
    }
  }

  private struct State {
    var position: PointPosition?
    var lastDrawn = ContinuousClock.now - .seconds(1)
  }

  private let style: Style
  private let write: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// Text goes to `write`: standard error unless a test wants it.
  public init(
    style: Style,
    write: @escaping @Sendable (String) -> Void = { text in
      FileHandle.standardError.write(Data(text.utf8))
    }
  ) {
    self.style = style
    self.write = write
  }

  /// The observer to hand to ``Engine/run(_:options:observer:)``.
  public var observer: RunObserver { { event in self.show(event) } }

  private func show(_ event: RunEvent) {
    switch (style, event) {
    case (.quiet, .pointEnded(let position, .failed(let error))):
      write("\(position.run) failed: \(error)\n")
    case (.quiet, _): break
    case (_, .pointStarted(let position)): state.withLock { $0.position = position }
    case (_, .stageStarted(let name, let remaining)): draw(name, 0, "", remaining, isDue: true)
    case (_, .stageProgress(let name, let fraction, let note, let remaining)):
      draw(name, fraction, note, remaining, isDue: isDue())
    case (_, .stageFinished(let name, let cached, let seconds, let remaining)):
      finished(name, cached, seconds, remaining)
    case (_, .pointEnded(let position, let ending)): line(Self.sentence(position, ending))
    case (_, .notice(let sentence)): line(sentence)
    case (_, .waiting(let points)):
      if isDue() { live("waiting for another process, \(points) points") }
    case (_, .began(let runs)): line("\(runs) runs")
    case (_, .ended(let summary)): line(Self.sentence(summary))
    }
  }

  /// A live line is redrawn at most ten times a second.
  private func isDue() -> Bool {
    state.withLock { state in
      guard ContinuousClock.now - state.lastDrawn >= .milliseconds(100) else { return false }
      state.lastDrawn = .now
      return true
    }
  }

  private func draw(
    _ stage: String, _ fraction: Double, _ note: String, _ remaining: Double?, isDue: Bool
  ) {
    guard isDue, let position = state.withLock({ $0.position }) else { return }
    live(Self.liveLine(position, stage, fraction, note, remaining))
  }

  private func finished(_ stage: String, _ cached: Bool, _ seconds: Double, _ remaining: Double?) {
    guard !cached, let position = state.withLock({ $0.position }) else { return }
    if style == .live {
      live(Self.liveLine(position, stage, 1, "", remaining))
    } else {
      let rest = remaining.map { ", about \(Self.duration($0)) left" } ?? ""
      line(
        "[\(position.number)/\(position.count)] \(stage) \(Self.duration(seconds))\(rest)")
    }
  }

  private func live(_ text: String) {
    if style == .live { write("\r\u{1B}[2K" + text) }
  }

  private func line(_ text: String) {
    write((style == .live ? "\r\u{1B}[2K" : "") + text + "\n")
  }
}

// MARK: - Text

extension ProgressDisplay {
  /// `███████░░░░░ 3/12 calibrate 58 % layer 4, 2 min left  method=gptq bits=3`
  static func liveLine(
    _ position: PointPosition, _ stage: String, _ fraction: Double, _ note: String,
    _ remaining: Double?
  ) -> String {
    let fraction = fraction.isFinite ? min(max(fraction, 0), 1) : 0
    let done = (Double(position.number - 1) + fraction) / Double(max(position.count, 1))
    let filled = Int(done * 20)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
    let percent = "\(Int(fraction * 100)) %"
    let left = remaining.map { "ETA \(duration($0))" } ?? "ETA unknown"
    let text = "\(bar) \(position.number)/\(position.count) \(stage) \(percent) \(left)"
    return [text, note, position.title].filter { !$0.isEmpty }.joined(separator: "  ")
      .prefix(terminalWidth() - 1).description
  }

  private static func terminalWidth() -> Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 100 }
    return Int(size.ws_col)
  }

  static func sentence(_ position: PointPosition, _ ending: PointEnding) -> String {
    let start = "[\(position.number)/\(position.count)] \(position.run)  \(position.title)"
    return switch ending {
    case .unchanged: "\(start): complete already"
    case .done: "\(start): done"
    case .failed(let error): "\(start): FAILED: \(error)"
    case .failedBefore(let error):
      "\(start): failed before with the same inputs, left alone (--retry-failed tries again): \(error)"
    }
  }

  static func sentence(_ summary: RunSummary) -> String {
    let parts = [
      "\(summary.done) done", "\(summary.unchanged) complete already",
      summary.failed > 0 ? "\(summary.failed) failed" : nil,
      summary.failedBefore > 0 ? "\(summary.failedBefore) failed before" : nil,
      "\(summary.stagesBuilt) stages built", duration(summary.seconds),
    ]
    return "\(summary.experiment): " + parts.compactMap { $0 }.joined(separator: ", ")
  }

  /// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "unknown" }
    if seconds < 10 { return "\((seconds * 10).rounded() / 10) s" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }
}
