import Foundation
import Synchronization
import Testing

@testable import Experiments

@Suite struct EngineTests {
  struct Broken: Error, CustomStringConvertible { var description: String { "it broke" } }

  @Test("the second run of a spec calls no stage and changes no result")
  func secondRun() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(Bench.grid)
    let first = try bench.run(spec)
    #expect(first.done == 13 && first.failed == 0)
    // 2 corpus seeds; random 2·2·2, frequency 2·2 plans; as many evaluations and one without plan.
    #expect(bench.pipeline.runs(of: "calibrate") == 2)
    #expect(bench.pipeline.runs(of: "allocate") == 12)
    let before = try bench.engine.results(of: spec).map(\.result)
    let total = bench.pipeline.totalRuns
    let second = try bench.run(spec)
    #expect(second.unchanged == 13 && second.done == 0 && second.stagesBuilt == 0)
    #expect(bench.pipeline.totalRuns == total)
    #expect(try bench.engine.results(of: spec).map(\.result) == before)
    #expect(!before.contains(nil))
  }

  @Test("a result says what was read, what it cost and where it ran")
  func resultContents() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    let result = try #require(try bench.engine.results(of: spec).first?.result)
    #expect(result.stages.map(\.name) == ["calibrate", "allocate", "evaluate"])
    #expect(result.stages.allSatisfy { !$0.cached && $0.forwardTokens == 7 })
    #expect(result.stages[0].inputs["corpus"] == Digest.of(Data("some text".utf8)))
    #expect(result.stages[1].inputs["calibration"] == result.stages[0].digest)
    #expect(result.seeds == ["calibration": 0])
    #expect(result.spec == spec.digest)
    #expect(result.outcome.metrics[1].special == "nan")
    #expect(!result.provenance.host.isEmpty)
    #expect(result.provenance.commit == "unknown", "the spec's folder is not under git")
    #expect(result.provenance.program?.count == 64)
    #expect(result.stages[0].peakMemoryBytes > 1_000_000)
  }

  @Test("a stage key changes only with what the stage reads")
  func keys() throws {
    let bench = try Bench()
    defer { bench.remove() }
    try bench.run(try bench.spec(""))
    try bench.run(try bench.spec(#""axes": {"b": {"path": "budget.experts", "values": [2]}}"#))
    #expect(bench.pipeline.runs(of: "calibrate") == 1)
    #expect(bench.pipeline.runs(of: "allocate") == 2)
    try bench.run(
      try bench.spec(#""axes": {"b": {"path": "calibration.sequences", "values": [8]}}"#))
    #expect(bench.pipeline.runs(of: "calibrate") == 2)
  }

  @Test("a changed input file makes stale what read it, and plan says which input")
  func changedInput() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    #expect(try bench.engine.plan(spec).runs.map(\.state) == [.done])
    try Data("other text".utf8).write(to: bench.root.appending(path: "corpus.txt"))
    let plan = try bench.engine.plan(spec)
    #expect(plan.runs[0].stages.map(\.state) == [.stale, .waits, .waits])
    #expect(
      plan.runs[0].stages.map(\.reason) == [
        "changed: input corpus", "waits for calibrate", "waits for allocate",
      ])
    #expect(try bench.run(spec).done == 1)
    #expect(bench.pipeline.runs(of: "calibrate") == 2)
  }

  @Test("plan names the parameter that differs, and counts shared work once")
  func planReasons() throws {
    var bench = try Bench()
    defer { bench.remove() }
    let empty = try bench.engine.plan(try bench.spec(Bench.grid))
    #expect(empty.runs.count == 13 && empty.count(.new) == 13)
    #expect(empty.runs[1].stages[0].reason == "no earlier result of this stage")
    #expect(empty.runs.flatMap(\.stages).count { $0.name == "calibrate" && !$0.isShared } == 2)
    #expect(empty.expectedBytes == 200)
    #expect(empty.estimatedSeconds == nil)
    #expect(!FileManager.default.fileExists(atPath: bench.workspace.runs.path))
    try bench.run(try bench.spec(""))
    let other = try bench.spec(#""axes": {"b": {"path": "budget.experts", "values": [2]}}"#)
    let plan = try bench.engine.plan(other)
    #expect(plan.runs[0].state == .partial)
    #expect(plan.runs[0].stages.map(\.state) == [.cached, .new, .waits])
    #expect(plan.runs[0].stages[1].reason == "unlike the nearest result in budget (3 → 2)")
    #expect(plan.estimatedSeconds != nil)
    bench.pipeline.calibrateEpoch = 2
    let bumped = try bench.engine.plan(try bench.spec(""))
    #expect(bumped.runs[0].stages[0].reason == "changed: epoch (1 → 2)")
  }

  @Test("a failing point is recorded, the others go on, and it is left alone until told otherwise")
  func failures() throws {
    var bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(Bench.grid)
    let good = bench.pipeline
    bench.pipeline.before = { stage, point in
      if stage == "allocate", point.budget?.experts == 3 { throw Broken() }
    }
    let first = try bench.run(spec)
    #expect(first.done == 7 && first.failed == 6 && first.hasFailures)
    let failed = try Index(bench.workspace).results(of: "trial").filter { $0.state == "failed" }
    #expect(failed.count == 6)
    #expect(failed.allSatisfy { $0.error == "allocate: it broke" })
    #expect(try bench.engine.plan(spec).count(.failed) == 6)
    let again = try bench.run(spec)
    #expect(again.failedBefore == 6 && again.unchanged == 7 && again.stagesBuilt == 0)
    bench.pipeline = good
    let retried = try bench.run(spec, options: RunOptions(retryFailed: true))
    #expect(retried.done == 6 && retried.unchanged == 7 && !retried.hasFailures)
    #expect(try bench.artifactFolders(of: "allocate").count == 12)
  }

  @Test("a failed point is tried again by itself when its inputs change")
  func failureWithChangedInputs() throws {
    var bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    bench.pipeline.before = { stage, _ in if stage == "calibrate" { throw Broken() } }
    try bench.run(spec)
    bench.pipeline.before = { _, _ in }
    #expect(try bench.run(spec).failedBefore == 1)
    try Data("repaired".utf8).write(to: bench.root.appending(path: "corpus.txt"))
    #expect(try bench.run(spec).done == 1)
  }

  @Test("a missing input file is told once, before the first point")
  func missingInput() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(Bench.grid)
    try FileManager.default.removeItem(at: bench.root.appending(path: "corpus.txt"))
    let error = #expect(throws: UnusableInputs.self) { try bench.run(spec) }
    #expect(error?.problems.count == 1)
    #expect(error?.description.contains("The corpus of stage calibrate is not at ") ?? false)
    #expect(throws: UnusableInputs.self) { try bench.engine.checkInputs(of: spec) }
    #expect(bench.pipeline.totalRuns == 0)
    let only = try RunFilter(["method=full precision"], for: spec)
    #expect(try bench.run(spec, options: RunOptions(only: only)).done == 1)
    try Data("back".utf8).write(to: bench.root.appending(path: "corpus.txt"))
    #expect(try bench.run(spec).done == 12)
  }

  @Test("a damaged artifact is set aside, reported and built again")
  func damage() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    let key = try #require(try bench.artifactFolders(of: "calibrate").first)
    let folder = bench.workspace.artifacts.appending(path: "calibrate/\(key)")
    try Data("x".utf8).write(to: folder.appending(path: "payload.json"))
    let notices = Mutex<[String]>([])
    let summary = try bench.engine.run(spec) { event in
      if case .notice(let text) = event { notices.withLock { $0.append(text) } }
    }
    #expect(summary.stagesBuilt == 1, "later stages read the same content and stay")
    #expect(notices.withLock { $0.first }?.contains("payload.json has 1 bytes instead of") ?? false)
    #expect(try bench.artifactFolders(of: "calibrate").count { $0.contains(".damaged-") } == 1)
    #expect(try bench.run(spec).unchanged == 1)
  }

  @Test(
    "a result that does not parse is named, and its run done again from its artifacts",
    arguments: ["", "{\"run\": ", "{\"run\": 3}"])
  func damagedResult(content: String) throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    #expect(try bench.workspace.damagedResults().isEmpty)
    let folder = try #require(try bench.workspace.allRuns().first)
    let result = try #require(folder.result())
    try Data(content.utf8).write(to: folder.resultFile)
    #expect(folder.result() == nil)
    #expect(try bench.workspace.damagedResults(of: "trial") == [folder.damage()])
    #expect(try bench.workspace.damagedResults(of: "another").isEmpty)
    let notices = Mutex<[String]>([])
    let summary = try bench.engine.run(spec) { event in
      if case .notice(let text) = event { notices.withLock { $0.append(text) } }
    }
    #expect(summary.done == 1 && summary.stagesBuilt == 0)
    let said = notices.withLock { $0 }
    #expect(said.count == 1)
    #expect(said.first?.contains(folder.resultFile.path) ?? false)
    #expect(said.first?.contains("done again") ?? false)
    let log = try String(contentsOf: folder.logFile, encoding: .utf8)
    #expect(log.contains("is damaged"), "the run's log says it too")
    #expect(folder.result()?.stages.map(\.digest) == result.stages.map(\.digest))
    #expect(folder.damage() == nil)
    #expect(try bench.run(spec).unchanged == 1)
  }

  @Test("changed bytes of the right length are found with verify")
  func silentDamage() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec("")
    try bench.run(spec)
    let key = try #require(try bench.artifactFolders(of: "allocate").first)
    let file = bench.workspace.artifacts.appending(path: "allocate/\(key)/half.txt")
    try Data("HALF".utf8).write(to: file)
    #expect(try bench.run(spec).unchanged == 1)
    #expect(try bench.run(spec, options: RunOptions(verify: true)).stagesBuilt == 1)
  }

  @Test("a stage is never built from a damaged artifact: that one is set aside and built again")
  func damagedInput() throws {
    let bench = try Bench()
    defer { bench.remove() }
    try bench.run(try bench.spec(""))
    let key = try #require(try bench.artifactFolders(of: "calibrate").first)
    let file = bench.workspace.artifacts.appending(path: "calibrate/\(key)/payload.json")
    let content = try Data(contentsOf: file)
    try Data(content.map { $0 ^ 1 }).write(to: file)
    let other = try bench.spec(#""axes": {"b": {"path": "budget.experts", "values": [2, 4]}}"#)
    let notices = Mutex<[String]>([])
    let summary = try bench.engine.run(other) { event in
      if case .notice(let text) = event { notices.withLock { $0.append(text) } }
    }
    #expect(summary.done == 2)
    #expect(bench.pipeline.runs(of: "calibrate") == 2, "built again once")
    #expect(notices.withLock { $0.count } == 1)
    #expect(
      notices.withLock { $0.first }?.contains("the content of payload.json has changed") ?? false)
    #expect(try Data(contentsOf: file) == content)
    #expect(try bench.engine.results(of: other).compactMap(\.result).map(\.stages.count) == [3, 3])
  }

  @Test("the peak memory of a stage is not that of the stage before")
  func peakMemory() async throws {
    let bench = try Bench()
    defer { bench.remove() }
    // Alone in its process: other tests use memory of their own.
    await #expect(processExitsWith: .success) { [path = bench.root.path as String] in
      var bench = Bench(at: path)
      bench.pipeline.before = { stage, _ in
        guard stage == "calibrate" else { return }
        // Small pieces come from the heap, which keeps them when they are freed.
        let pieces = (0..<(300 << 6)).map { [UInt8](repeating: UInt8($0 & 255), count: 1 << 14) }
        precondition(pieces.reduce(0) { $0 + $1.count } == 300 << 20)
      }
      let spec = try bench.spec("")
      try bench.run(spec)
      let stages = try #require(try bench.engine.results(of: spec).first?.result).stages
      // Of the 300 MB a half is margin for what the program itself keeps.
      #expect(stages[0].peakMemoryBytes - stages[1].peakMemoryBytes > 150 << 20)
    }
  }

  @Test("results belong to the spec as it was run last; other runs of its name are known as such")
  func currentSpec() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let members = #""axes": {"b": {"path": "budget.experts", "values": [2, 3]}}"#
    #expect(bench.workspace.lastSpec(of: "trial") == nil)
    try bench.run(try bench.spec(members))
    let corrected = try bench.spec(members.replacing("3", with: "4"))
    try bench.run(corrected)
    let last = try #require(bench.workspace.lastSpec(of: "trial"))
    let current = Set(try last.runs(with: bench.pipeline).map(\.id))
    #expect(current == Set(try corrected.runs(with: bench.pipeline).map(\.id)))
    #expect(try Index(bench.workspace).results(of: "trial").count == 3)
  }

  @Test("relabelling an axis keeps the runs and renames them")
  func relabel() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let members = #""axes": {"m": [{"label": "old", "set": {"budget.experts": 2}}]}"#
    try bench.run(try bench.spec(members))
    let renamed = try bench.spec(members.replacing("old", with: "new"))
    #expect(try bench.run(renamed).unchanged == 1)
    let rows = try Index(bench.workspace).results(of: "trial")
    #expect(rows.map { $0.axes.map(\.label) } == [["new"]])
    #expect(try bench.engine.results(of: renamed)[0].result?.axes[0].label == "new")
  }

  @Test("payload digests come by content where a format has one")
  func payloadDigest() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let engine = Engine(
      workspace: bench.workspace, pipeline: bench.pipeline,
      payloadDigests: ["json": { _ in "same" }, "txt": { _ in "same" }])
    _ = try engine.run(try bench.spec(Bench.grid)) { _ in }
    let digests = Set(engine.store.manifests(stage: "allocate").map(\.digest))
    #expect(digests.count == 1)
    // Equal plans share what follows: one evaluation after a plan, one without.
    #expect(bench.pipeline.runs(of: "evaluate") == 2)
  }

  @Test("a metric given twice, or without value, fails the point instead of the index")
  func badMetrics() {
    let definition = MetricDefinition(
      name: "a", scope: "b", unit: "c", higherIsBetter: true, protocolParameters: nil)
    var metric = Metric(definition: definition, value: 1, items: 1)
    var outcome = PointOutcome(
      metrics: [metric, metric], ledgers: [:], forced: false, counts: [:], remarks: [], facts: [:])
    #expect(throws: RunnerError.metricGivenTwice(name: "a", scope: "b")) { try outcome.check() }
    metric.value = nil
    outcome.metrics = [metric]
    #expect(throws: RunnerError.metricWithoutValue(name: "a", scope: "b")) { try outcome.check() }
  }
}
