import Foundation
import Synchronization
import Testing

@testable import Experiments

@Suite struct RecoveryTests {
  struct Interrupted: Error {}

  @Test("after kill -9 the same spec finishes the rest and repeats no finished stage")
  func killed() async throws {
    let bench = try Bench()
    defer { bench.remove() }
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = bench.root.path as String] in
      var bench = Bench(at: path)
      let marks = bench.pipeline
      bench.pipeline.before = { stage, _ in
        // In the middle of the fifth plan, with half a file in the temporary folder.
        if stage == "allocate", marks.runs(of: "allocate") == 5 { kill(getpid(), SIGKILL) }
      }
      try bench.run(try bench.spec(Bench.grid))
    }
    let unfinished = try bench.artifactFolders(of: "allocate").filter { $0.contains(".tmp-") }
    #expect(unfinished.count == 1)
    let calibrations = bench.pipeline.runs(of: "calibrate")
    #expect(calibrations >= 1)

    let spec = try bench.spec(Bench.grid)
    let summary = try bench.run(spec)
    #expect(summary.done + summary.unchanged == 13 && summary.unchanged >= 4)
    #expect(bench.pipeline.runs(of: "calibrate") == 2)
    #expect(bench.pipeline.runs(of: "allocate") == 12 + 1, "only the killed one ran twice")
    #expect(try bench.artifactFolders(of: "allocate").allSatisfy { !$0.contains(".tmp-") })
    #expect(try bench.engine.results(of: spec).allSatisfy { $0.result != nil })
    #expect(try Index(bench.workspace).results(of: "trial").count == 13)
    try expectIndexEqualsRebuilt(bench)
  }

  @Test("the cost of a stage that goes on after kill -9 is that of both attempts")
  func costOfBoth() async throws {
    let bench = try Bench()
    defer { bench.remove() }
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = bench.root.path as String] in
      var bench = Bench(at: path)
      bench.pipeline.during = { stage, context in
        guard stage == "allocate", let recovery = context.recovery else { return }
        try FileManager.default.createDirectory(at: recovery, withIntermediateDirectories: true)
        Thread.sleep(forTimeInterval: 1)
        context.progress(0.5, "half is kept")
        kill(getpid(), SIGKILL)
      }
      try bench.run(try bench.spec(""))
    }
    let spec = try bench.spec("")
    let clock = ContinuousClock.now
    try bench.run(spec)
    let second = (ContinuousClock.now - clock) / .seconds(1)
    let result = try #require(try bench.engine.results(of: spec).first?.result)
    let seconds = try #require(result.stages.first { $0.name == "allocate" }?.seconds)
    #expect(seconds >= 1 && seconds < second + 2, "\(seconds) s, the second attempt \(second) s")
    let others = result.stages.filter { $0.name != "allocate" }
    #expect(others.allSatisfy { $0.seconds < second + 1 })
  }

  @Test("time is kept beside what the stage keeps, and nowhere if it keeps nothing")
  func spentTime() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let folder = bench.root.appending(path: "kept")
    #expect(SpentTime(in: folder).keep() < 60)
    #expect(!FileManager.default.fileExists(atPath: folder.path))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appending(path: SpentTime.fileName)
    try Data(#"{"seconds": 1000}"#.utf8).write(to: file)
    let first = SpentTime(in: folder).keep()
    #expect(first >= 1000)
    #expect(SpentTime(in: folder).seconds >= first)
    try Data(#"{"seconds": -5"#.utf8).write(to: file)
    #expect(SpentTime(in: folder).seconds < 60)
  }

  @Test("a kill between the result and its index entry loses nothing")
  func resultWithoutIndex() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    try FileManager.default.removeItem(at: bench.workspace.index)
    let run = try #require(try bench.engine.results(of: spec).first?.run.id)
    let journal = bench.workspace.run(run).journal
    // As if the process had died before it wrote `finished`.
    let lines = try String(contentsOf: journal.file, encoding: .utf8).split(separator: "\n")
    try Data((lines.dropLast().joined(separator: "\n") + "\n").utf8).write(to: journal.file)
    #expect(try bench.run(spec).unchanged == 1)
    #expect(try Index(bench.workspace).results(of: "trial").map(\.state) == ["done"])
    #expect(journal.lastOutcome?.kind == .finished)
  }

  @Test("a torn last line is passed over, and cut off before the next is written")
  func tornLine() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let journal = RunJournal(file: bench.root.appending(path: "events.jsonl"))
    try journal.append(RunJournal.Event(.started))
    let handle = try FileHandle(forWritingTo: journal.file)
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(#"{"kind": "fini"#.utf8))
    try handle.close()
    #expect(journal.events().map(\.kind) == [.started])
    try journal.append(RunJournal.Event(.failed))
    #expect(journal.events().map(\.kind) == [.started, .failed])
    let text = try String(contentsOf: journal.file, encoding: .utf8)
    #expect(text.split(separator: "\n").count == 2)
  }

  @Test("a result that does not parse is no result")
  func tornResult() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    let folder = bench.workspace.run(try #require(try bench.engine.results(of: spec).first?.run.id))
    try Data("{".utf8).write(to: folder.resultFile)
    let summary = try bench.run(spec)
    #expect(summary.done == 1 && summary.stagesBuilt == 0)
    #expect(folder.result() != nil)
  }

  @Test("temporary folders of dead processes are removed, those of living ones stay")
  func staleTemporaries() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let store = bench.engine.store
    let stage = bench.workspace.artifacts.appending(path: "calibrate")
    for name in ["dead.tmp-1-a", "alive.tmp-2-b"] {
      try FileManager.default.createDirectory(
        at: stage.appending(path: name), withIntermediateDirectories: true)
    }
    try FileLock.waiting(store.lockFile(stage: "calibrate", key: "alive")) {
      try store.removeStaleTemporaries()
    }
    #expect(try bench.artifactFolders(of: "calibrate") == ["alive.tmp-2-b"])
  }

  @Test("two engines on one spec share the work: every stage body runs once")
  func sharedWork() async throws {
    var bench = try Bench()
    defer { bench.remove() }
    bench.pipeline.before = { _, _ in Thread.sleep(forTimeInterval: 0.01) }
    let spec = try bench.spec(Bench.grid)
    let summaries = try await runOnThreads(2, bench, spec)
    #expect(summaries.count == 2)
    #expect(summaries.map(\.done).reduce(0, +) == 13)
    #expect(summaries.allSatisfy { $0.done + $0.unchanged == 13 })
    #expect(bench.pipeline.runs(of: "calibrate") == 2)
    #expect(bench.pipeline.runs(of: "allocate") == 12)
    try expectIndexEqualsRebuilt(bench)
  }

  /// Engines block, so each gets a thread of its own.
  private func runOnThreads(
    _ count: Int, _ bench: Bench, _ spec: ExperimentSpec
  ) async throws -> [RunSummary] {
    try await withThrowingTaskGroup(of: RunSummary.self) { group in
      for _ in 0..<count {
        group.addTask {
          try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
              continuation.resume(with: Result { try bench.run(spec) })
            }
          }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  private func expectIndexEqualsRebuilt(_ bench: Bench) throws {
    let written = try IndexTests.dump(bench.workspace)
    _ = try bench.engine.reindex()
    #expect(try IndexTests.dump(bench.workspace) == written)
  }
}
