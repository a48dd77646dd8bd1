import Foundation
import Testing

@testable import Experiments

@Suite struct SpecTests {
  /// The text of the error that a spec is refused with.
  private func refusal(_ members: String, base: String = Bench.base) throws -> String {
    let bench = try Bench()
    defer { bench.remove() }
    let error = #expect(throws: SpecError.self) {
      try bench.spec(members, base: base).points()
    }
    return error?.description ?? ""
  }

  @Test("an unknown key is refused with its pointer, the nearest name and what is allowed")
  func unknownKey() throws {
    let base = Bench.base.replacing(#""method": "rtn""#, with: #""method": "rtn", "groupSzie": 3"#)
    #expect(
      try refusal("", base: base) == """
        /base/quantizer/groupSzie: Unknown key "groupSzie"; did you mean "groupSize"? \
        Allowed here: method, groupSize, symmetric, range, symmetricRange, scaleRounding, damping, \
        actOrder, groupScales, blockSize, minimumTokens, hessianStream, routingWeighted, outliers, \
        axis, importance, codebooks, omniquant.
        """)
  }

  @Test("an error in an axis points into the axis")
  func axisOrigin() throws {
    let axes = #"""
      "axes": {"m": [{"label": "a", "set": {"quantizer": {"method": "gtpq"}}}]}
      """#
    let text = try refusal(axes)
    #expect(text.hasPrefix("/axes/m/0/set/quantizer/method: \"gtpq\" is not known here;"))
    #expect(text.contains("did you mean \"gptq\"?"))
    let short = try refusal(#""axes": {"b": {"path": "budget.experts", "values": [3, 99]}}"#)
    #expect(short == "/axes/b/values/1: 99 is out of range; allowed is 1...16.")
    let typo = try refusal(#""axes": {"b": {"path": "budget.exprts", "values": [3]}}"#)
    #expect(typo.hasPrefix(#"/axes/b/values/0: Unknown key "exprts"; did you mean "experts"?"#))
  }

  @Test(
    "what cannot be run is refused with a sentence",
    arguments: [
      (#""when": [{}]"#, "/when: \"when\" is not supported yet"),
      (#""expect": [1]"#, "/expect: \"expect\" is not supported yet"),
      (#""tabels": []"#, "/tabels: Unknown key \"tabels\"; did you mean \"tables\"?"),
      (#""replicates": {"serach": [0]}"#, "/replicates/serach: Unknown key"),
      (#""replicates": {"search": [0, 0]}"#, "/replicates/search: Seeds are different integers"),
      (#""replicates": {"search": [-1]}"#, "/replicates/search: Seeds are different integers"),
      (#""axes": {"b": {"path": "budget.experts", "values": []}}"#, "/axes/b: The axis has no"),
      (
        #""axes": {"b": {"path": "budget.experts", "values": [3, 3]}}"#,
        "/axes/b/values/1: The label \"3\""
      ),
      (
        #""axes": {"b": {"path": "budget.experts", "values": [1.5]}}"#,
        "/axes/b/values/0: 1.5 is out of range"
      ),
      (
        #""axes": {"l": {"path": "allocation.levels", "values": [[2, 2.25]]}}"#,
        "/axes/l/values/0: 2.25 bits are neither whole nor half"
      ),
      (
        #""axes": {"l": {"path": "allocation.levels", "values": ["papre"]}}"#,
        "/axes/l/values/0: Unknown level set \"papre\". Did you mean \"paper\"?"
      ),
      (
        #""axes": {"l": {"path": "allocation.levels", "values": [[3, 2]]}}"#,
        "/axes/l/values/0/0: Levels must rise in bits: 2, 3"
      ),
      (
        #""axes": {"l": {"path": "evaluation.tasks", "values": ["x"]}}"#,
        "/axes/l/values/0: Expected an object of names"
      ),
      (
        #""axes": {"b": {"path": "budget.attention", "values": [4, 4.5]}}"#,
        "/axes/b/values/1: 4.5 is out of range; allowed is a whole number from 2 to 8"
      ),
      (
        #""axes": {"l": {"path": "evaluation.tasks", "values": [{"all": "x"}]}}"#,
        "/axes/l/values/0/all: \"all\" is taken"
      ),
      (
        #""axes": {"p": {"path": "evaluation.perplexity", "values": [{"corpora": {"c": "x"}, "protocol": "llama.cpp", "context": 2}]}}"#,
        "/axes/p/values/0/context: The protocol llama.cpp scores no token"
      ),
      (
        #""axes": {"p": {"path": "evaluation.perplexity", "values": [{"corpora": {"c": "x"}, "stride": 8}]}}"#,
        "/axes/p/values/0/stride: The protocol gptq has no stride"
      ),
      (
        #""axes": {"p": {"path": "evaluation.perplexity", "values": [{"corpora": {"c": "x"}, "protocol": "strided", "context": 8, "stride": 9}]}}"#,
        "/axes/p/values/0/stride: A stride of 9"
      ),
      (#""exclude": [{"m": "x"}]"#, "/exclude/0/m: Unknown key"),
      (#""tables": {}"#, "/tables: Expected a list"),
    ])
  func refused(members: String, start: String) throws {
    let text = try refusal(members)
    #expect(text.hasPrefix(start), "\(text)")
  }

  @Test("a path of more steps than a document has levels is refused, not followed")
  func longPath() throws {
    let path = String(repeating: "a.", count: 200_000)
    let text = try refusal(#""axes": {"b": {"path": "\#(path)", "values": [3]}}"#)
    #expect(text.hasPrefix("/axes/b/values/0: A path of 200001 steps is out of range"))
  }

  @Test("what a point needs is asked for")
  func missing() throws {
    #expect(try refusal("", base: "{}").hasPrefix("/base: The key \"model\" is missing"))
    let noCorpus = Bench.base.replacing(#""calibration": {"corpus": "corpus.txt"},"#, with: "")
    #expect(
      try refusal("", base: noCorpus).hasPrefix("/base: The key \"calibration\" is missing"))
    let nothing = Bench.base.replacing(#""tasks": {"sums": "sums.jsonl"}"#, with: "")
    #expect(try refusal("", base: nothing).hasPrefix("/base/evaluation: Nothing is measured"))
  }

  @Test("a file's error names the file and the place")
  func fileContext() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let file = bench.root.appending(path: "broken.json")
    try Data("{\n  \"name\": }".utf8).write(to: file)
    let error = #expect(throws: SpecError.self) { try ExperimentSpec(contentsOf: file) }
    #expect(
      error?.description.hasSuffix(
        "broken.json: line 2, column 11: Found \"}\" where a value should be.") ?? false)
  }

  @Test("defaults are filled in, and full precision sheds what it does not read")
  func defaults() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let point = try #require(try bench.spec("").points().first).parameters
    #expect(point.compute == .auto)
    #expect(
      point.calibration
        == CalibrationParameters(
          corpus: [WeightedCorpus(path: "corpus.txt")], format: .text, sequences: 64, context: 256,
          sampling: .windows, tokens: .routed, mixture: 0.5, routingWeighted: false,
          hessian: .full, hessianBlock: 128))
    #expect(
      point.quantizer
        == QuantizerParameters(
          method: .rtn, groupSize: 64, symmetric: false, range: .extremes,
          symmetricRange: .mirrored,
          scaleRounding: .float16, damping: 0.01,
          actOrder: false, groupScales: .fresh, blockSize: 128, minimumTokens: 32,
          hessianStream: .fullPrecision, routingWeighted: false))
    let allocation = try #require(point.allocation)
    #expect((allocation.allocator, allocation.granularity) == ("uniform", "expert"))
    #expect(allocation.levels.json == [2, 3, 4] && allocation.law == nil)
    #expect((allocation.scale, allocation.scope) == ("relative", "model"))
    #expect(allocation.fitness == .surrogate && allocation.fitnessText == nil)
    #expect(point.budget?.attention == 4 && point.budget?.experts == 3)
    #expect(point.budget?.total == nil)
    #expect(point.url("corpus.txt") == bench.root.appending(path: "corpus.txt").standardizedFileURL)
    let full = try #require(
      try bench.spec(#""axes": {"m": [{"label": "f", "set": {"quantizer": null}}]}"#).points().first
    )
    #expect(full.parameters.calibration == nil && full.parameters.budget == nil)
    #expect(
      full.parameters.json.objectValue?.keys.sorted() == [
        "compute", "evaluation", "model", "quantizer",
      ])
  }

  @Test("the grid keeps the order of the file, the last axis fastest")
  func gridOrder() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(
      #"""
      "axes": {"z": {"path": "budget.attention", "values": [8, 4]},
               "a": {"path": "budget.experts", "values": [3, 2]}}
      """#)
    let labels = try spec.points().map { $0.axes.map { "\($0.axis)\($0.label)" }.joined() }
    #expect(labels == ["z8a3", "z8a2", "z4a3", "z4a2"])
  }

  @Test("exclude leaves out every point that matches a whole pattern")
  func exclude() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(
      #""axes": {\#(Bench.methods), "bits": {"path": "budget.experts", "values": [2, 3]}}, "#
        + #""exclude": [{"method": "random", "bits": 2}, {"method": "full precision"}]"#)
    let labels = try spec.points().map { $0.axes.map(\.label) }
    #expect(labels == [["random", "3"], ["frequency", "2"], ["frequency", "3"]])
  }

  @Test("points of one identity are one point that remembers its other labels")
  func dedupe() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let points = try bench.spec(Bench.grid).points()
    #expect(points.count == 5)
    #expect(points[0].axes.map(\.label) == ["full precision", "2.5"])
    #expect(points[0].aliases.map { $0.map(\.label) } == [["full precision", "3"]])
  }

  @Test("each point is repeated over the streams that its stages read, and no others")
  func replicates() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let runs = try bench.spec(Bench.grid).runs(with: bench.pipeline)
    let counts = Dictionary(grouping: runs) { $0.point.axes[0].label }.mapValues(\.count)
    #expect(counts == ["full precision": 1, "random": 8, "frequency": 4])
    #expect(runs[0].seeds == [:])
    #expect(runs[0].title == "method=full precision", "at every budget")
    #expect(runs[1].title == "method=random bits=2.5 calibration=0 search=0")
    #expect(runs[1].seeds == [.calibration: 0, .search: 0])
    #expect(Set(runs.map(\.id)).count == runs.count)
    #expect(runs[0].id.wholeMatch(of: /trial-[0-9a-hjkmnp-tv-z]{10}/) != nil)
  }

  @Test("a stream that is not replicated has the seed 0")
  func defaultSeed() throws {
    let bench = try Bench()
    defer { bench.remove() }
    #expect(try bench.spec("").runs(with: bench.pipeline).map(\.seeds) == [[.calibration: 0]])
  }

  @Test("a run's name comes from its identity, not from labels, key order or defaults spelled out")
  func runNames() throws {
    let bench = try Bench()
    defer { bench.remove() }
    func name(_ members: String) throws -> String? {
      try bench.spec(members).runs(with: bench.pipeline).first?.id
    }
    let plain = try name("")
    #expect(
      try name(#""axes": {"b": [{"label": "x", "set": {"budget": {"experts": 3}}}]}"#) == plain)
    #expect(try name(#""axes": {"b": [{"label": "x", "set": {"budget.experts": 2}}]}"#) != plain)
  }

  @Test("--only keeps matching labels and refuses unknown ones")
  func only() throws {
    let bench = try Bench()
    defer { bench.remove() }
    let spec = try bench.spec(Bench.grid)
    func count(_ conditions: String...) throws -> Int {
      let filter = try RunFilter(conditions, for: spec)
      return try spec.runs(with: bench.pipeline).count(where: filter.admits)
    }
    #expect(try count("method=random") == 8)
    #expect(try count("method=random", "method=frequency", "bits=3") == 6)
    #expect(try count("bits=3") == 7)
    #expect(try count("calibration=1", "method=frequency") == 2)
    #expect(throws: SpecError.self) { try count("method=randm") }
    #expect(throws: SpecError.self) { try count("random") }
  }

  @Test("stages of one stream draw different numbers, the same in every process")
  func stageSeeds() {
    #expect(StageSeed.derive(from: 0, stage: "allocate") != StageSeed.derive(from: 0, stage: "x"))
    #expect(StageSeed.derive(from: 0, stage: "allocate") < 1 << 53)
    // printf 'allocate\0000' | sha256sum: the first 53 bits.
    #expect(StageSeed.derive(from: 0, stage: "allocate") == 3_562_485_090_266_762)
  }
}
