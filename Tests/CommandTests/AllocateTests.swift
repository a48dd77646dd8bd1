import ArgumentParser
import BitAllocation
import Experiments
import Foundation
import JSON
import Testing

@testable import assay

@Suite("Allocating and comparing from the command line")
final class AllocateTests {
  private let folder: URL
  private let table: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "allocate-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    table = folder.appending(path: "table.json")
    let units = (0..<8).map { index in
      BitAllocation.Unit(
        id: "layers.\(index / 4).experts.\(index % 4)", layer: index / 4, expert: index % 4,
        weights: 1000, groupSize: 100,
        levels: [2.0, 3, 4].map {
          Level(
            bits: $0, loss: Double(index + 1) / ($0 * $0), codeBits: 1000 * $0,
            metadataBits: 10 * (16 + $0))
        })
    }
    try SensitivityTable(units: units).json().write(to: table)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Runs a command in this process, its standard output into a file.
  private func output(_ line: String) throws -> String {
    let file = folder.appending(path: "out-\(UUID())")
    var command = try AssayCommand.parseAsRoot(
      line.replacing("TABLE", with: table.path).split(separator: " ").map(String.init))
    let descriptor = open(file.path, O_WRONLY | O_CREAT, 0o644)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try StandardOutput.$descriptor.withValue(descriptor) { try command.run() }
    return try String(contentsOf: file, encoding: .utf8)
  }

  @Test("JSON has the plan, its objective and bound, and every ledger that can be told")
  func json() throws {
    let value = try JSONParser.parse(
      output("allocate TABLE --allocator exact --budget 2.5 --format json"))
    #expect(value["plan"]?.objectValue?.keys.count == 8)
    #expect(value["plan"]?["layers.0.experts.0"]?.doubleValue == 2)
    let (objective, bound) = (value["objective"]?.doubleValue, value["lowerBound"]?.doubleValue)
    #expect((try #require(bound)) <= (try #require(objective)))
    for key in ["gap", "bits", "allocator", "seconds", "limits", "forced"] {
      #expect(value[key] != nil, "\(key)")
    }
    #expect(value["bits"]?["expert-code-bits"]?.doubleValue == 2.5)
    #expect(value["bits"]?["mxmoe"]?.doubleValue == 2.82)
  }

  @Test(
    "budgets in other ledgers, floors, counts and scopes hold together",
    arguments: [
      "--budget mxmoe=2.9", "--budget autoround=2.7", "--budget prismaquant=2.8",
      "--budget 2.75 --scope layer --require 4=1", "--budget 3 --floor 3",
      "--budget 2.5 --ceiling 3", "--budget bytes=3000",
    ])
  func constraints(options: String) throws {
    let value = try JSONParser.parse(
      output("allocate TABLE --allocator exact \(options) --format json"))
    for limit in value["limits"]?.arrayValue ?? [] {
      #expect((limit["slack"]?.doubleValue ?? -1) >= -1e-9, "\(limit)")
    }
    let bits = (value["plan"]?.objectValue?.members ?? []).compactMap(\.1.doubleValue)
    #expect(bits.count == 8)
    if options.contains("--floor 3") { #expect(bits.allSatisfy { $0 >= 3 }) }
    if options.contains("--ceiling 3") { #expect(bits.allSatisfy { $0 <= 3 }) }
    if options.contains("4=1") {
      #expect(bits[..<4].contains(4) && bits[4...].contains(4))
    }
  }

  @Test("what cannot be done is refused by name, a budget with the nearest that can")
  func refusals() {
    func message(_ options: String) -> String {
      let error = #expect(throws: (any Error).self) {
        try output("allocate TABLE --allocator exact \(options)")
      }
      return error.map { "\($0)" } ?? ""
    }
    #expect(message("--budget 1.5").contains("2"))
    #expect(message("--budget nonsense=3").contains("nonsense"))
    #expect(message("--budget 3 --floor 4 --ceiling 3").contains("--floor"))
    #expect(message("--budget 2.5 --require 4=8").contains("4"))
    #expect(message("--budget 3 --sensitivity magic").contains("magic"))
    #expect(message("--budget true-bytes=3000").contains("true-bytes"))
  }

  @Test("two plans are compared unit by unit")
  func compare() throws {
    for (name, budget) in [("a", "2.5"), ("b", "3")] {
      let text = try output("allocate TABLE --allocator exact --budget \(budget) --format json")
      try Data(text.utf8).write(to: folder.appending(path: "\(name).json"))
    }
    let (a, b) = (folder.appending(path: "a.json").path, folder.appending(path: "b.json").path)
    let value = try JSONParser.parse(output("compare \(a) \(b) --format json"))
    let agreement = try #require(value["agreement"]?.doubleValue)
    #expect(agreement > 0 && agreement < 1)
    #expect((value["kappa"]?.doubleValue ?? 1) < 1)
    #expect(value["spearman"]?.doubleValue != nil && value["groups"]?.arrayValue?.isEmpty == false)
    let confusion = try #require(value["levels"]?["counts"]?.arrayValue)
    let counts: [Int] = confusion.flatMap { row in (row.arrayValue ?? []).compactMap(\.intValue) }
    #expect(counts.reduce(0, +) == 8)
    let same = try JSONParser.parse(output("compare \(a) \(a) --format json"))
    #expect(same["agreement"]?.doubleValue == 1 && same["kappa"]?.doubleValue == 1)
    #expect(try output("compare \(a) \(b)").contains("Jaccard"))
  }
}
