import Foundation
import Synchronization
import Testing

@testable import Experiments

@Suite struct ProgressTests {
  /// What a display of this style prints for a run of the grid.
  private func output(_ style: ProgressDisplay.Style) throws -> String {
    let bench = try Bench()
    defer { bench.remove() }
    let text = Mutex("")
    let display = ProgressDisplay(style: style) { piece in text.withLock { $0 += piece } }
    _ = try bench.engine.run(try bench.spec(Bench.grid), observer: display.observer)
    return text.withLock { $0 }
  }

  @Test("elsewhere than on a terminal every line is plain")
  func plain() throws {
    let text = try output(.lines)
    #expect(!text.contains("\u{1B}") && !text.contains("\r"))
    #expect(text.contains("[2/13] calibrate "))
    #expect(text.contains("13 done, 0 complete already"))
  }

  @Test("a terminal gets one line that is redrawn, with bar, point, stage and time left")
  func live() throws {
    let text = try output(.live)
    #expect(text.contains("\r\u{1B}[2K"))
    #expect(text.contains("2/13 calibrate 0 % ETA "))
  }

  @Test("quiet prints nothing when all goes well")
  func quiet() throws { #expect(try output(.quiet) == "") }

  @Test("time left counts each piece of work once, at the median of earlier times")
  func estimate() throws {
    let time = RemainingTime(open: ["r1": "a", "r2": "a", "r3": "b"], seconds: ["a": [1, 9, 2]])
    #expect(time.estimate() == nil, "b was never timed")
    time.finish(recipe: "r3", stage: "b", builtIn: 4)
    #expect(time.estimate() == 4)
    #expect(time.estimate(during: "r1", elapsed: 3, fraction: 0.5) == 5)
    time.finish(recipe: "r1", stage: "a", builtIn: nil)
    #expect(time.estimate() == 2)
    time.abandon(recipes: ["r2"])
    #expect(time.estimate() == 0)
  }

  @Test(
    "durations read as people say them",
    arguments: [
      (0.44, "0.4 s"), (12.4, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (.nan, "unknown"),
    ])
  func durations(seconds: Double, text: String) {
    #expect(ProgressDisplay.duration(seconds) == text)
  }
}
