import Foundation
import Statistics
import Testing

@testable import Experiments

@Suite("Runs compared item by item")
struct ComparisonTests {
  private static let accuracy = ItemsPipeline.definition("accuracy", "sums", "fraction", 0)
  private static let perplexity = ItemsPipeline.definition(
    "perplexity", "tales", "exp(nats/token)", 16)

  private static func answers(_ text: String, groups: [String]? = nil) -> MetricItems {
    MetricItems(
      form: .outcomes, values: text.map { $0 == "1" ? 1 : 0 }, groups: groups, noun: "questions")
  }

  private func compare(
    _ candidate: MetricItems, _ baseline: MetricItems, as definition: MetricDefinition = accuracy
  ) throws -> MetricComparison {
    try MetricComparison(
      of: definition, candidate: [SeededItems(seeds: [:], items: candidate)],
      baseline: [SeededItems(seeds: [:], items: baseline)], options: ComparisonOptions())
  }

  @Test("single runs' answers by exact McNemar: six discordant items one way are p = 1/32")
  func mcNemar() throws {
    let result = try compare(
      Self.answers("1111111111000000000"), Self.answers("1111000000000000000"))
    #expect(result.test == .mcNemar)
    #expect((result.gained, result.lost) == (6, 0))
    // The binomial tail goes through logarithms.
    #expect(abs(try #require(result.pValue) - 0.03125) < 1e-12)
    #expect(result.items == 19 && result.clusters == nil && result.runs == 2)
    #expect(abs(result.difference.value - 6.0 / 19) < 1e-15)
    #expect(result.difference.lower > 0 && result.difference.upper < 1)
  }

  @Test("questions on one passage count as one")
  func clustered() throws {
    let groups = "aabbccddeeffgghh".map { String($0) }
    let result = try compare(
      Self.answers("1111110000000000", groups: groups),
      Self.answers("0000000000000000", groups: groups))
    #expect(result.test == .clustered)
    #expect(result.clusters == 8)
    let independent = try compare(
      Self.answers("1111110000000000"), Self.answers("0000000000000000"))
    #expect(try #require(result.pValue) > #require(independent.pValue))
  }

  @Test("perplexities as a ratio: equal shifts of every window have that ratio and no width")
  func ratio() throws {
    let (tokens, nats) = ([10.0, 20, 30], [20.0, 45, 50])
    func windows(_ shift: [Double]) -> MetricItems {
      MetricItems(
        form: .exponential, values: zip(nats, zip(tokens, shift)).map { $0 + $1.0 * $1.1 },
        weights: tokens, noun: "windows")
    }
    let same = try compare(
      windows([0.5, 0.5, 0.5]), windows([0, 0, 0]), as: Self.perplexity)
    let ratio = try #require(same.ratio)
    #expect(abs(ratio.value - exp(0.5)) < 1e-12 && abs(ratio.upper - ratio.lower) < 1e-12)
    #expect(same.unit == "nats/token")
    let mixed = try compare(
      windows([0.5, 0.1, 0.3]), windows([0, 0, 0]), as: Self.perplexity)
    #expect(mixed.test == .bootstrap)
    // (5 + 2 + 9) nats over 60 tokens.
    #expect(abs(mixed.difference.value - 16.0 / 60) < 1e-12)
    #expect(abs(mixed.baseline - exp(115.0 / 60)) < 1e-12)
  }

  @Test("perplexity over several texts is tested within each of them", arguments: [1, 3])
  func texts(seeds: Int) throws {
    let strata =
      [String](repeating: "arithmetic", count: 8) + [String](repeating: "tales", count: 8)
    // Better on one text, worse on the other; by a little more or less from window to window.
    let shifts = strata.indices.map { window in
      (strata[window] == "tales" ? 1.0 : -0.8) + 0.05 * Double(window % 4)
    }
    func runs(_ shifts: [Double], _ strata: [String]?) -> [SeededItems] {
      (0..<seeds).map { seed in
        SeededItems(
          seeds: seeds == 1 ? [:] : ["calibration": seed],
          items: MetricItems(
            form: .exponential, values: shifts.map { 30 + $0 + 0.01 * Double(seed) },
            weights: shifts.map { _ in 10 }, strata: strata, noun: "windows"))
      }
    }
    func compare(_ strata: [String]?) throws -> MetricComparison {
      try MetricComparison(
        of: Self.perplexity, candidate: runs(shifts, strata),
        baseline: runs(shifts.map { _ in 0 }, strata), options: ComparisonOptions())
    }
    let (within, pooled) = (try compare(strata), try compare(nil))
    #expect(within.test == (seeds == 1 ? .bootstrap : .crossed))
    #expect(within.strata == 2 && pooled.strata == nil)
    #expect(abs(within.difference.value - pooled.difference.value) < 1e-12)
    #expect(try #require(within.pValue) < 0.001)
    #expect(try #require(pooled.pValue) > 0.1)
    #expect(try #require(within.detectable) < #require(pooled.detectable) / 5)
    let read = try JSONDecoder().decode(
      MetricComparison.self, from: JSONEncoder().encode(pooled))
    #expect(read == pooled, "data of earlier reports names no strata")
  }

  @Test("equal runs have p = 1, no detectable difference, and are equivalent")
  func equal() throws {
    let items = Self.answers("110100")
    let result = try compare(items, items)
    #expect(result.pValue == 1)
    #expect(result.detectable == nil)
    let windows = MetricItems(
      form: .exponential, values: [1, 2, 3], weights: [1, 1, 2], noun: "windows")
    let losses = try compare(windows, windows, as: Self.perplexity)
    #expect(losses.pValue == 1 && losses.isEquivalent)
  }

  @Test(
    "other items are refused with the reason",
    arguments: [
      (answers("110"), "4 questions against 3"),
      (answers("1101", groups: ["a", "a", "b", "b"]), "grouped differently"),
    ])
  func otherItems(items: MetricItems, reason: String) throws {
    let error = try #require(throws: ComparisonError.self) {
      try compare(Self.answers("1100"), items)
    }
    #expect("\(error)".contains(reason), "\(error)")
  }

  @Test("replicates are paired by the seeds that both read, and cross those that one reads")
  func design() throws {
    let candidate = [["calibration": 0], ["calibration": 1], ["calibration": 2]]
    let baseline = [0, 1].flatMap { calibration in
      [0, 1].map { ["calibration": calibration, "search": $0] }
    }
    let design = try ReplicateDesign(candidate: candidate, baseline: baseline)
    #expect(design.factors.map(\.name) == ["calibration", "search"])
    #expect(design.pairs.map(\.candidate) == [0, 0, 1, 1])
    #expect(design.pairs.map(\.baseline) == [0, 1, 2, 3])
    #expect(throws: ComparisonError.incompleteReplicates(missing: "calibration=1 search=1")) {
      try ReplicateDesign(candidate: candidate, baseline: Array(baseline.dropLast()))
    }
    #expect(throws: ComparisonError.noSeedsInCommon(stream: "search")) {
      try ReplicateDesign(
        candidate: [["search": 0], ["search": 1]], baseline: [["search": 2], ["search": 3]])
    }
    let single = try ReplicateDesign(candidate: [["search": 0]], baseline: [["search": 5]])
    #expect(single.factors.isEmpty && single.pairs.count == 1)
  }

  /// Runs the usual grid over ``ItemsPipeline``: 13 runs.
  private func withRuns(_ body: (Workspace) throws -> Void) throws {
    let bench = try Bench()
    defer { bench.remove() }
    let engine = Engine(workspace: bench.workspace, pipeline: ItemsPipeline())
    let summary = try engine.run(try bench.spec(Bench.grid)) { _ in }
    #expect(summary.done == 13, "\(summary)")
    try body(bench.workspace)
  }

  @Test("labels choose a point with all its replicates, seeds one run, names as well")
  func selection() throws {
    try withRuns { workspace in
      let point = try RunSelection("trial:frequency/3", in: workspace, of: ItemsPipeline())
      #expect(point.results.count == 2)
      #expect(point.title == "method=frequency bits=3")
      let one = try RunSelection(
        "trial:method=random/2.5/calibration=1/search=0", in: workspace, of: ItemsPipeline())
      #expect(one.results.count == 1)
      #expect(
        try RunSelection(one.results[0].run, in: workspace, of: ItemsPipeline()).results
          == one.results)
      #expect(
        try RunSelection("trial:full precision", in: workspace, of: ItemsPipeline()).results.count
          == 1)
      #expect(throws: ComparisonError.self) {
        try RunSelection("trial:frequency", in: workspace, of: ItemsPipeline())
      }
      let missing = try #require(throws: ComparisonError.self) {
        try RunSelection("trial:frequncy/3", in: workspace, of: ItemsPipeline())
      }
      #expect("\(missing)".contains("method=frequency"))
      #expect(throws: StoreError.self) {
        try RunSelection("trial-zzzzzz", in: workspace, of: ItemsPipeline())
      }
    }
  }

  @Test("items come from the runs' artifacts, with windows in the metric's units")
  func stored() throws {
    try withRuns { workspace in
      let full = try RunGroup(
        RunSelection("trial:full precision", in: workspace, of: ItemsPipeline()).results,
        in: workspace)
      let random = try RunGroup(
        RunSelection("trial:random/2.5", in: workspace, of: ItemsPipeline()).results, in: workspace)
      let definitions = try random.definitions(sharedWith: full)
      #expect(definitions.map(\.name) == ["perplexity", "bits-per-byte", "accuracy", "fitness"])
      let options = ComparisonOptions()
      func comparison(_ index: Int) throws -> MetricComparison? {
        try random.comparison(of: definitions[index], with: full, options: options)
      }
      let losses = try #require(try comparison(0))
      #expect(losses.test == .crossed)
      #expect(losses.factors.map(\.levels) == [2, 2] && losses.runs == 5)
      // Shifts 3, 4, 4, 5 hundredths of a nat.
      #expect(abs(losses.difference.value - 0.04) < 1e-12)
      let bits = try #require(try comparison(1))
      #expect(abs(bits.difference.value - 0.04 * 65 / log(2) / 200) < 1e-12)
      let answers = try #require(try comparison(2))
      #expect(abs(answers.difference.value + 0.5) < 1e-12)
      #expect(try comparison(3) == nil)
      let changes = try random.changes(of: definitions[2], from: full, limit: 4)
      // Wrong in all four runs, in three, in one.
      #expect(changes.map(\.item) == ["5", "6", "7", "4"])
      #expect(changes.map(\.change) == [-1, -1, -1, -0.75])
    }
  }

  @Test("metrics that are defined differently are refused, unless others are asked for")
  func definitions() throws {
    try withRuns { workspace in
      let other = try RunGroup(
        RunSelection("trial:frequency/3", in: workspace, of: ItemsPipeline()).results, in: workspace
      )
      let full = try RunGroup(
        RunSelection("trial:frequency/2.5", in: workspace, of: ItemsPipeline()).results,
        in: workspace)
      #expect(
        throws: ComparisonError.differentDefinitions(
          metric: "perplexity", scope: "tales", changes: ["context (16 → 32)"])
      ) { try other.definitions(sharedWith: full) }
      #expect(try other.definitions(sharedWith: full, named: ["accuracy"]).count == 1)
      #expect(throws: ComparisonError.noCommonMetric("speed")) {
        try other.definitions(sharedWith: full, named: ["speed"])
      }
    }
  }

  @Test("a run whose artifact is gone is named")
  func gone() throws {
    try withRuns { workspace in
      let results = try RunSelection("trial:full precision", in: workspace, of: ItemsPipeline())
        .results
      try FileManager.default.removeItem(at: workspace.artifacts)
      let error = try #require(throws: ComparisonError.self) {
        try RunGroup(results, in: workspace)
      }
      #expect("\(error)".contains(results[0].run) && "\(error)".contains("is gone"))
    }
  }
}
