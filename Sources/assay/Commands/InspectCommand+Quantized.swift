import BitAllocation
import Checkpoints
import Experiments
import JSON
import Reconstruction

/// What `assay inspect` tells of a quantized folder.
struct QuantizedInspection {
  let recount: BitRecount
  let reports: [ModuleReport]?

  /// Bits of every kind, by part of the model, and their sum: the file.
  var bits: DataTable {
    var table = DataTable(["stored", "attention", "experts", "others", "bits", "bitsPerWeight"])
    let weights = Double(max(recount.weights, 1))
    func append(_ name: String, _ attention: Int, _ experts: Int, _ others: Int) {
      let sum = attention + experts + others
      table.append(
        [JSONValue(name)] + [attention, experts, others, sum].map { JSONValue($0) }
          + [JSONValue((Double(sum) / weights * 1e6).rounded() / 1e6)])
    }
    for kind in StoredBits.Kind.allCases {
      append(kind.rawValue, recount.bits(kind, .attention), recount.bits(kind, .expert), 0)
    }
    append("full precision", 0, 0, Int(recount.unquantized.bits))
    append("header", 0, 0, recount.headerBits)
    let parts = ModelPart.allCases.map { part in
      StoredBits.Kind.allCases.reduce(0) { $0 + recount.bits($1, part) }
    }
    append("file", parts[0], parts[1], Int(recount.unquantized.bits) + recount.headerBits)
    return table
  }

  /// Every ledger, from the stored tensors and from modules.json.
  var ledgers: DataTable {
    var table = DataTable(["ledger", "stored", "reported"])
    let reported = RecountComparison(recount, reports: reports ?? [])
    for (name, stored, reported) in reported.ledgers {
      table.append([
        JSONValue(name), stored.map { JSONValue($0) } ?? .null,
        reports == nil ? .null : reported.map { JSONValue($0) } ?? .null,
      ])
    }
    return table
  }

  /// What was done to each module.
  var modules: DataTable {
    let learned = (reports ?? []).contains { $0.training != nil }
    var table = DataTable(
      [
        "module", "bits", "form", "slices", "codeBits", "metadataBits", "sparse", "importance",
        "uninformedRows", "fallback",
      ] + (learned ? ["tokens", "steps", "kept", "notFinite"] : []))
    for report in reports ?? [] {
      let cells: [JSONValue] = [
        JSONValue(report.module), JSONValue(report.bits),
        JSONValue(report.form?.rawValue ?? "output-channel"),
        report.slices.map { slices in
          JSONValue(slices.map { "\($0.neurons)×\($0.bits)" }.joined(separator: "+"))
        } ?? .null, JSONValue(report.codeBits), JSONValue(report.metadataBits),
        report.outliers.map { JSONValue($0.stored) } ?? .null,
        report.importance.map { JSONValue($0.rawValue) } ?? .null,
        report.uninformedRows.map { JSONValue($0) } ?? .null,
        report.fallback.map { JSONValue($0.rawValue) } ?? .null,
      ]
      table.append(cells + (learned ? Self.learning(of: report) : []))
    }
    return table
  }

  /// Tokens, steps, why the start is kept, and what was not finite.
  private static func learning(of report: ModuleReport) -> [JSONValue] {
    [
      report.calibrationTokens.map { JSONValue($0) } ?? .null,
      report.training.map { JSONValue($0.steps) } ?? .null,
      report.training?.kept.map { JSONValue($0.rawValue) } ?? .null,
      report.training?.notFinite.map { JSONValue($0) } ?? .null,
    ]
  }

  /// The decisions of an adaptive axis; empty if there was none.
  var axes: DataTable {
    var table = DataTable(["module", "axis", "outputChannelError", "inputChannelError"])
    for decision in (reports ?? []).compactMap(\.axis) {
      table.append([
        JSONValue(decision.module), JSONValue(decision.axis.rawValue),
        JSONValue(decision.outputChannelError), JSONValue(decision.inputChannelError),
      ])
    }
    return table
  }

  /// Where file and report differ, one line each.
  var differences: [String] {
    reports.map { RecountComparison(recount, reports: $0).differences } ?? []
  }
}
