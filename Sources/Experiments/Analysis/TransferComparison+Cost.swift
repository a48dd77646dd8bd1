import Foundation
import Reconstruction
import Statistics

extension TransferComparison {
  /// Bytes of keeping a variant for every text, against one plan for all; nil without domains.
  func costTable() throws -> AnalysisTable? {
    let own = domains
    guard own.count > 1 else { return nil }
    let choices = own[0].variants.map(\.seeds).filter { seeds in
      own.allSatisfy { $0.variants.contains { $0.seeds == seeds } }
    }
    guard !choices.isEmpty else { return nil }
    let families = choices.map { seeds in
      own.compactMap { $0.variants.first { $0.seeds == seeds } }
    }
    let single = Self.mean(families.joined().map(Self.fileBytes))
    let shared = families.map(Self.sharedBytes)
    var result = AnalysisTable(
      "cost", "What a plan for each of \(own.count) texts costs, and what one plan for all loses.",
      columns: [
        .words("kept"), .number("bytes (MB)", digits: 4), .number("of one model"),
        .number("loss beyond own plans (1e-3 nats/token)"),
      ],
      notes: [
        "Level store: every module once at each level that any of the plans gives it, everything else "
          + "once, and the plans. [ ]: 95 % t interval over windows."
      ])
    for set in sets where merged.contains(set.label) {
      let (bytes, regret) = (Self.mean(set.variants.map(Self.fileBytes)), try regret(of: set))
      result.append([
        .text("one plan, \(set.label)"), .init(bytes / 1e6), .init(bytes / single),
        .init(regret.mean, try regret.interval(), scale: 1e3),
      ])
    }
    let stores = shared.compactMap(\.self)
    if stores.count == shared.count {
      let bytes = Self.mean(stores)
      result.append([
        .text("\(own.count) plans, one level store"), .init(bytes / 1e6), .init(bytes / single),
        .number(0),
      ])
    } else {
      result.notes.append(
        "Modules of equal bits differ between the variants, whose Hessians come from their own sets: "
          + "there is no common level store.")
    }
    let apart = Self.mean(families.map { $0.map(Self.fileBytes).reduce(0, +) })
    result.append([
      .text("\(own.count) plans, a file each"), .init(apart / 1e6), .init(apart / single),
      .number(0),
    ])
    return result
  }

  private static func fileBytes(_ variant: Variant) -> Double {
    variant.run.result.outcome.ledgers["true-bytes"] ?? 0
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(max(values.count, 1))
  }

  /// nil where modules of equal bits are not the same weights.
  private static func sharedBytes(_ family: [Variant]) -> Double? {
    let hessians = Set(
      family.map { variant in
        variant.run.result.stages.first { $0.name == QuantizeStage.name }?.inputs["calibration"]
          ?? ""
      })
    guard hessians.count == 1 else { return nil }
    func bytes(_ module: ModuleReport) -> Double {
      Double(module.codeBits + module.metadataBits) / 8
    }
    var versions: [String: [Version: Double]] = [:]
    for module in family.flatMap(\.modules) {
      versions[module.module, default: [:]][Version(module)] = bytes(module)
    }
    let modules = versions.sorted { $0.key < $1.key }.reduce(0.0) {
      $0 + $1.value.values.sorted().reduce(0, +)
    }
    let rest = fileBytes(family[0]) - family[0].modules.reduce(0) { $0 + bytes($1) }
    return modules + rest + family.reduce(0) { $0 + planBytes($1) }
  }

  /// A module at a level.
  private struct Version: Hashable {
    let bits: Double
    let slices: [Int]

    init(_ module: ModuleReport) {
      bits = module.bits
      slices = (module.slices ?? []).flatMap { [$0.bits, $0.neurons] }
    }
  }

  /// An index of the plan's levels for each unit.
  private static func planBytes(_ variant: Variant) -> Double {
    let levels = Set(variant.plan.entries.map(\.bits)).count
    let bits = Double(variant.plan.entries.count) * log2(Double(max(levels, 2))).rounded(.up)
    return (bits / 8).rounded(.up)
  }
}
