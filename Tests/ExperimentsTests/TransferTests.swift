import BitAllocation
import Foundation
import JSON
import Reconstruction
import Testing

@testable import Experiments

@Suite("Calibration sets against each other")
struct TransferTests {
  private typealias Cell = AnalysisTable.Cell

  /// Four windows of ten tokens in either corpus.
  private func losses(a: Double, b: Double, shift: Double = 0) -> WindowLosses {
    let shares = [0.5, 1.5, 0.8, 1.2]
    func corpus(_ mean: Double) -> WindowLosses.Corpus {
      WindowLosses.Corpus(
        nats: shares.map { 10 * (mean * $0 + shift) }, tokens: [Double](repeating: 10, count: 4))
    }
    return WindowLosses(corpora: ["a": corpus(a), "b": corpus(b)])
  }

  private func variant(
    _ seed: Int, _ losses: WindowLosses, bits: [Double], hessian: String? = nil
  ) throws -> TransferAnalysis.Variant {
    let modules = try bits.enumerated().map { index, bits in
      let report: JSONValue = [
        "module": JSONValue("module \(index)"), "unit": JSONValue("unit \(index)"),
        "weights": 800, "bits": JSONValue(bits), "codeBits": JSONValue(800 * bits),
        "metadataBits": 80, "inputFeatures": 20,
      ]
      return try report.decoded(as: ModuleReport.self)
    }
    let bytes = 1000 + bits.reduce(0) { $0 + 100 * $1 + 10 }
    let json: JSONValue = [
      "schemaVersion": 1, "run": "run", "experiment": "e", "spec": "s", "axes": [],
      "seeds": ["calibration": JSONValue(seed)], "parameters": [:],
      "stages": [
        [
          "name": "quantize", "key": "k", "digest": "d", "cached": false, "seconds": 1,
          "peakMemoryBytes": 1,
          "inputs": .object(JSONObject(hessian.map { [("calibration", JSONValue($0))] } ?? [])),
        ]
      ],
      "outcome": [
        "metrics": [], "ledgers": ["true-bytes": JSONValue(bytes)], "forced": false,
        "counts": [:], "remarks": [], "facts": [:],
      ],
      "provenance": [
        "commit": "c", "host": "h", "cpu": "p", "threads": 1, "libraries": [:], "started": "",
        "finished": "",
      ],
    ]
    return TransferAnalysis.Variant(
      run: AnalyzedRun(try json.decoded(as: RunResult.self)) { _ in URL(filePath: "/") },
      losses: losses,
      plan: Plan(
        entries: bits.enumerated().map { Plan.Entry(unit: "unit \($0.offset)", bits: $0.element) }),
      modules: modules)
  }

  private func set(
    _ label: String, _ variants: [TransferAnalysis.Variant]
  ) -> TransferAnalysis.CalibrationSet {
    TransferAnalysis.CalibrationSet(
      label: label, variants: variants, losses: WindowLosses(meanOf: variants.map(\.losses)))
  }

  /// Two domains and a merged set over two seeds; seeds move losses by ±0.01.
  private func comparison(hessians: [String?] = [nil, nil]) throws -> TransferComparison {
    func variants(
      _ a: Double, _ b: Double, _ bits: [[Double]], _ hessian: String?
    ) throws -> [TransferAnalysis.Variant] {
      try [0, 1].map { seed in
        let shift = seed == 0 ? -0.01 : 0.01
        return try variant(
          seed, losses(a: a, b: b, shift: shift), bits: bits[seed], hessian: hessian)
      }
    }
    return TransferComparison(
      sets: [
        set("a", try variants(1.1, 2.3, [[2, 4, 2, 4], [2, 4, 4, 2]], hessians[0])),
        set("b", try variants(1.4, 2.1, [[4, 2, 4, 2], [4, 2, 2, 4]], hessians[1])),
        set("both", try variants(1.2, 2.15, [[2, 4, 4, 2], [2, 4, 4, 2]], hessians[0])),
      ], merged: ["both"], full: losses(a: 1, b: 2))
  }

  private func value(_ cell: Cell) -> Double {
    switch cell {
    case .number(let value), .interval(let value, _): value
    case .text, .absent: .nan
    }
  }

  private func values(_ row: [Cell]) -> [Double] {
    row.dropFirst().map { (value($0) * 1e6).rounded() / 1e6 }
  }

  @Test("losses stand above full precision, means over seeds")
  func losses() throws {
    let table = try comparison().lossTable()
    #expect(table.columns.map(\.title) == ["allocated on", "a", "b", "all"])
    #expect(values(table.rows[0]) == [100, 300, 200])
    #expect(values(table.rows[1]) == [400, 100, 250])
    // Half the difference between windows is in proportion to it: 100 · {0.5, 1.5, 0.8, 1.2}.
    guard case .interval(_, let range) = table.rows[0][1] else {
      Issue.record("no interval")
      return
    }
    // t(3) = 3.1824 times 100 · sd(0.5, 1.5, 0.8, 1.2) / 2.
    let half = 3.182446 * 100 * (0.58 / 3).squareRoot() / 2
    #expect(abs((range.upperBound - range.lowerBound) / 2 - half) < 1e-3)
  }

  @Test("regret is what another set's plan loses beyond the text's own")
  func regret() throws {
    let table = try comparison().regretTable()
    #expect(table.rows.map { $0[0] } == [.text("a"), .text("b"), .text("both")])
    #expect(table.rows[0][1] == Cell.absent && table.rows[1][2] == Cell.absent)
    #expect(values(table.rows[0]).suffix(2) == [200, 100])
    #expect((value(table.rows[1][1]) * 1e6).rounded() / 1e6 == 300)
    #expect(values(table.rows[2]) == [100, 50, 75])
  }

  @Test("plans agree with themselves over seeds and with each other as their levels do")
  func agreement() throws {
    let table = try comparison().agreementTable()
    func row(_ name: String) throws -> [Cell] {
      try #require(table.rows.first { $0[0] == .text(name) }, "\(name)")
    }
    // Opposite plans: κ -1, no common high unit.
    #expect(values(try row("a – b")) == [2, 0, -1, -1, 0])
    // [2, 4, 2, 4] and [2, 4, 4, 2]: half of the levels, one of three high units.
    #expect(values(try row("a, seeds")) == [1, 50, 0, 0, 0.333333])
    #expect(values(try row("all, same set")).first == 3)
  }

  @Test("a common level store has every module at every level that some plan gives it")
  func cost() throws {
    let table = try #require(try comparison().costTable())
    // A file: 1,000 B and four modules of 210 or 410 B. All modules come at 2 and 4 bits; two plans
    // of four units at two levels are a byte each.
    #expect(
      table.rows.map { $0[0] } == [
        .text("one plan, both"), .text("2 plans, one level store"), .text("2 plans, a file each"),
      ])
    let bytes = table.rows.map { (value($0[1]) * 1e6).rounded() }
    #expect(bytes == [2240, 1000 + 4 * 620 + 2, 4480])
    #expect(values(table.rows[0])[1] == 1)
    #expect(values(table.rows[0])[2] == 75)
  }

  @Test("with Hessians of their own, variants share no modules")
  func unshared() throws {
    let table = try #require(try comparison(hessians: ["x", "y"]).costTable())
    #expect(table.rows.count == 2)
    #expect(table.notes.joined().contains("no common level store"))
  }

  @Test("variance is split among sets, samples and texts, windows apart; merged sets do not count")
  func variance() throws {
    let table = try #require(try comparison().varianceTable())
    let names = table.rows.map { $0[0] }
    #expect(names.contains(.text("calibration set")) && names.contains(.text("text")))
    #expect(names.contains(.text("calibration sample")))
    #expect(table.notes[0].hasPrefix("2 calibration sets × 2 calibration samples × 2 texts."))
    // Samples differ by 0.02 everywhere: a variance of 0.0002, and no interaction.
    let sample = try #require(table.rows.first { $0[0] == .text("calibration sample") })
    #expect(abs(value(sample[2]) - 1e3 * 0.0002.squareRoot()) < 1e-6)
    let shares = table.rows.dropLast().map { value($0[3]) }
    #expect(abs(shares.reduce(0, +) - 100) < 1e-9)
    // Windows lie about the mean m of their text by m · {0.5, 1.5, 0.8, 1.2}; the sums of plans have
    // m = 0.1 and 0.3, 0.4 and 0.1 above full precision.
    let windows = try #require(table.rows.last)
    #expect(windows[0] == .text("windows of one text") && windows[1] == .number(6))
    let spread = (0.25 + 0.25 + 0.04 + 0.04) / 3
    let square = (0.01 + 0.09 + 0.16 + 0.01) / 4
    #expect(abs(value(windows[2]) - 1e3 * (square * spread).squareRoot()) < 1e-6)
    #expect(abs(value(windows[4]) - 1e3 * (square * spread / 8).squareRoot()) < 1e-6)
  }
}
