import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import JSON
import MoEModels
import Reconstruction
import Tensors
import Testing

@testable import assay

@Suite("Quantized folders from the command line")
final class RecountTests {
  private static let model = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "experiments/reference-model")
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "quantized-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var plan = JSONObject()
    for layer in 0..<4 {
      for expert in 0..<8 {
        plan["layers.\(layer).experts.\(expert)"] = expert.isMultiple(of: 2) ? 2.5 : 3
      }
    }
    try PrettyJSON.data(.object(plan)).write(to: folder.appending(path: "plan.json"))
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Runs a command in this process, its standard output into a file.
  private func output(_ line: String) throws -> String {
    let file = folder.appending(path: "out-\(UUID())")
    var command = try AssayCommand.parseAsRoot(
      line.split(separator: " ").map {
        String($0).replacing("MODEL", with: Self.model.path).replacing("FOLDER", with: folder.path)
      })
    let descriptor = open(file.path, O_WRONLY | O_CREAT, 0o644)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try StandardOutput.$descriptor.withValue(descriptor) { try command.run() }
    return try String(contentsOf: file, encoding: .utf8)
  }

  private func quantize(_ options: String) throws {
    _ = try output("quantize MODEL --plan FOLDER/plan.json --out FOLDER/q \(options)")
  }

  @Test("squeezellm takes options of grids where they rank neurons, and nowhere else")
  func gridsOfCodebooks() throws {
    try quantize("--method squeezellm --importance none --group-size 32")
    var plan = JSONObject()
    for layer in 0..<4 { plan["layers.\(layer).experts"] = 3 }
    try PrettyJSON.data(.object(plan)).write(to: folder.appending(path: "whole.json"))
    let error = #expect(throws: UnusableArgument.self) {
      try output(
        "quantize MODEL --plan FOLDER/whole.json --out FOLDER/w --method squeezellm --importance none "
          + "--group-size 32")
    }
    #expect(error?.description.hasPrefix("--group-size is of grids") ?? false)
  }

  @Test(
    "the recount of a file's bits is what was reported, to the bit and in every ledger",
    arguments: [
      "--method rtn", "--method rtn --range-outliers 0.004",
      "--method rtn --group-size 0 --symmetric",
      "--method squeezellm --importance none --range-outliers 0.004",
      "--method squeezellm --importance none --codebook-group 64 --clustering lloyd",
    ])
  func recount(options: String) throws {
    try quantize(options)
    let folder = folder.appending(path: "q")
    let recount = try BitRecount(QuantizedCheckpoint(folder))
    #expect(
      try RecountComparison(recount, reports: QuantizeStage.modules(in: folder)).differences == [])
    // All that is counted is the file.
    let bits = try JSONParser.parse(output("inspect FOLDER/q --show bits --format json"))
    let rows = try #require(bits.arrayValue)
    let size = 8 * recount.fileBytes
    #expect(rows.last?["bits"]?.intValue == size)
    #expect(rows.dropLast().reduce(0) { $0 + ($1["bits"]?.intValue ?? 0) } == size)
    // 2.5 bits are 4 of 8 blocks at 3 bits; the mean over even and odd experts.
    let ledgers = try JSONParser.parse(output("inspect FOLDER/q --show ledgers --format json"))
    let codes = ledgers.arrayValue?.first { $0["ledger"]?.stringValue == "expert-code-bits" }
    #expect(codes?["stored"]?.doubleValue == 2.75 && codes?["reported"]?.doubleValue == 2.75)
  }

  @Test("a report that differs from the file is told where, and ends with bad input")
  func disagreement() throws {
    try quantize("--method rtn --range-outliers 0.004")
    let modules = folder.appending(path: "q/modules.json")
    var reports = try QuantizeStage.modules(in: folder.appending(path: "q"))
    reports[5].metadataBits += 1
    try JSONEncoder().encode(reports).write(to: modules)
    let error = #expect(throws: UnusableArgument.self) { try output("inspect FOLDER/q") }
    let text = try #require(error).description
    #expect(text.contains(reports[5].module) && text.contains("metadata bits"), "\(text)")
    try FileManager.default.removeItem(at: modules)
    #expect(try output("inspect FOLDER/q").contains("no modules.json"))
  }

  /// A change of a report, and what the difference is called.
  struct Lie: CustomTestStringConvertible, Sendable {
    let name: String
    let change: @Sendable (inout ModuleReport) -> Void
    var testDescription: String { name }
  }

  static let lies = [
    Lie(name: "bits") { $0.bits += 0.5 },
    Lie(name: "slices") { $0.slices?.reverse() },
    Lie(name: "slices") { $0.slices = nil },
    Lie(name: "slices") {
      $0.slices?[0].neurons += 32
      $0.slices?[1].neurons -= 32
    },
    Lie(name: "group size") { $0.groupSize = 32 },
    Lie(name: "group size") { $0.groupSize = nil },
    Lie(name: "elements of the sparse part") { $0.outliers?.stored += 1 },
    Lie(name: "elements of the sparse part") { $0.outliers = nil },
    Lie(name: "bits of the sparse part") { $0.outliers?.bits -= 32 },
    Lie(name: "form") { $0.form = .codebooks },
    Lie(name: "inputs") { $0.inputFeatures *= 2 },
    Lie(name: "unit") { $0.unit = "layers.3.experts.7" },
  ]

  @Test("what a report says of a module and the tensors say otherwise is named", arguments: lies)
  func lie(_ lie: Lie) throws {
    try quantize("--method rtn --range-outliers 0.004")
    let folder = folder.appending(path: "q")
    var reports = try QuantizeStage.modules(in: folder)
    let index = try #require(reports.firstIndex { $0.slices != nil })
    lie.change(&reports[index])
    let found = try RecountComparison(BitRecount(QuantizedCheckpoint(folder)), reports: reports)
      .differences
    #expect(
      found.contains { $0.hasPrefix("\(reports[index].module): \(lie.name) ") }, "\(found)")
    try JSONEncoder().encode(reports).write(to: folder.appending(path: "modules.json"))
    for show in ["", "--show modules"] {
      #expect(throws: UnusableArgument.self) { try output("inspect FOLDER/q \(show)") }
    }
  }

  @Test("a module that is reported twice is named")
  func twice() throws {
    try quantize("--method rtn")
    let folder = folder.appending(path: "q")
    let reports = try QuantizeStage.modules(in: folder)
    let found = try RecountComparison(
      BitRecount(QuantizedCheckpoint(folder)), reports: reports + [reports[0]]
    ).differences
    #expect(found.first == "\(reports[0].module): more than once in modules.json")
  }

  @Test(
    "packed weights have the perplexity of dequantized ones, slices and sparse parts included",
    arguments: [
      "--method rtn", "--method rtn --symmetric --group-size 0 --range-outliers 0.004",
    ])
  func packedPerplexity(options: String) throws {
    try quantize(options)
    let line =
      "perplexity FOLDER/q --text MODEL/text/validation.stories.txt --context 256 --compute f32 "
      + "--format json"
    let (packed, plain) = (
      try JSONParser.parse(output(line + " --packed")), try JSONParser.parse(output(line))
    )
    let numbers = try [packed, plain].map { try #require($0["perplexity"]?.doubleValue) }
    // Both sum in f32, in other orders: a loss of about 3 nats moves in its sixth digit at most.
    #expect(abs(numbers[0] / numbers[1] - 1) < 1e-5, "\(numbers)")
    #expect(packed["compute"]?.stringValue == "packed+f32")
    #expect(packed["definition"] != plain["definition"])
  }

  @Test("what has no packed products is refused")
  func unpackedForms() throws {
    let line = "perplexity FOLDER/q --text MODEL/text/validation.stories.txt --packed"
    try quantize("--method squeezellm --importance none")
    #expect(throws: PackedExecutionError.self) { try output(line) }
    #expect(throws: PackedExecutionError.self) {
      try output(line.replacing("FOLDER/q", with: "MODEL"))
    }
  }

  @Test("an export has the perplexity of the folder in its own arithmetic, to the last digit")
  func exportedPerplexity() throws {
    try quantize("--method squeezellm --importance none --range-outliers 0.004")
    _ = try output("export checkpoint FOLDER/q --out FOLDER/bf16")
    _ = try output("export checkpoint FOLDER/q --out FOLDER/f32 --dtype f32 --shard-size 0.003")
    // Not every processor multiplies in bfloat16.
    for compute in Precision.fastest == .bf16 ? ["bf16", "f32"] : ["f32"] {
      let numbers = try ["q", compute].map { name in
        try JSONParser.parse(
          output(
            "perplexity FOLDER/\(name) --text MODEL/text/validation.stories.txt --context 256 "
              + "--compute \(compute) --format json")
        )["perplexity"]?.doubleValue
      }
      #expect(numbers[0] != nil && numbers[0] == numbers[1], "\(compute): \(numbers)")
    }
  }

  @Test("full precision has no bits to show, and is not exported")
  func fullPrecision() throws {
    #expect(throws: UnusableArgument.self) { try output("inspect MODEL --show bits") }
    #expect(throws: UnusableArgument.self) {
      try output("export checkpoint MODEL --out FOLDER/x")
    }
  }
}
